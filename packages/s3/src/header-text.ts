/** Whether a text can be the name of a header. Source: RFC 9110 section 5.1. */
export function isHeaderName(text: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(text);
}

/** Whether a text, one character a byte, can be the value of a header. Node refuses to send any other. */
export function isHeaderValue(text: string): boolean {
  return /^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(text);
}
