/** What follows `Basic ` in a header. */
export function basic(username: string, password: string): string {
  return Buffer.from(`${username}:${password}`).toString('base64');
}
