/** Headers whose value is a key: it may stand in no log and in no answer. */
const SECRET =
  /(x-amz-(?:copy-source-)?server-side-encryption-customer-key)(\s*[:=]\s*)([^\s&"]+)/gi;

const SECRET_NAME = /^x-amz-(copy-source-)?server-side-encryption-customer-key$/i;

/** Stands in the place of a key. */
const HIDDEN = '(not shown)';

/** A text of headers or query parameters, as it may be shown. */
export function hideSecrets(text: string): string {
  return text.replace(SECRET, (_whole, name: string, sign: string) => name + sign + HIDDEN);
}

/** A header's value, as it may be shown. */
export function shownValue(name: string, value: string): string {
  return SECRET_NAME.test(name) ? HIDDEN : value;
}
