/** A header block that says nothing: RFC 7541 has whoever reads one end the connection, as both tables may differ from there on. */
export class HpackError extends Error {}
