import type { Cause } from '../status';

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const DNS1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';

const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end " +
  `with an alphanumeric character (e.g. 'example.com', regex used for validation is '${SUBDOMAIN}')`;
const LABEL_RULE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end " +
  `with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${LABEL}')`;
const DNS1035_RULE =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and " +
  `end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '${DNS1035}')`;

function check(value: string, pattern: string, rule: string, limit: number, field: string): Cause[] {
  const invalid = (why: string): Cause => ({
    reason: 'FieldValueInvalid',
    message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
    field,
  });
  const causes: Cause[] = [];
  if (value.length > limit) causes.push(invalid(`must be no more than ${limit} characters`));
  if (!new RegExp(`^(?:${pattern})$`).test(value)) causes.push(invalid(rule));
  return causes;
}

/** The name of most objects. */
export function checkSubdomain(value: string, field: string): Cause[] {
  return check(value, SUBDOMAIN, SUBDOMAIN_RULE, 253, field);
}

/** The name of a namespace, a container, a volume. */
export function checkLabel(value: string, field: string): Cause[] {
  return check(value, LABEL, LABEL_RULE, 63, field);
}

/** The name of a service. */
export function checkServiceName(value: string, field: string): Cause[] {
  return check(value, DNS1035, DNS1035_RULE, 63, field);
}
