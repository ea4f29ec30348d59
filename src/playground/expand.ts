/**
 * `$(NAME)` as Kubernetes expands it in env values, command and args: `$$` is a literal `$`, and a name that is not known stays
 * as it was written.
 */
export function expand(text: string, values: Record<string, string>): string {
  return text.replace(/\$\$|\$\(([^()]*)\)/g, (match, name: string | undefined) => {
    if (name === undefined) return '$';
    return Object.hasOwn(values, name) ? values[name]! : match;
  });
}
