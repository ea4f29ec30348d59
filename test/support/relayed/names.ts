/** Names that only the pod knows, for what a plain run cannot show: both families, several addresses, unroutable ones. */
export const names: Record<string, { address: string; family: 4 | 6 }[]> = {
  'dual.pod': [
    { address: '::1', family: 6 },
    { address: '127.0.0.1', family: 4 },
  ],
  'web.pod': [{ address: '127.0.0.1', family: 4 }],
  'six.pod': [{ address: '::1', family: 6 }],
};
