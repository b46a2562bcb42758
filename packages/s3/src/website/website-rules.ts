/** A bucket's website configuration. Either everything is redirected, or there is an index document. */
export interface Website {
  readonly redirectAll?: { readonly hostName: string; readonly protocol?: string };
  readonly indexSuffix?: string;
  readonly errorKey?: string;
  readonly rules: readonly RoutingRule[];
}

export interface RoutingRule {
  readonly keyPrefix?: string;
  readonly errorCode?: number;
  readonly redirect: {
    readonly hostName?: string;
    readonly protocol?: string;
    readonly status?: number;
    readonly replacePrefix?: string;
    readonly replaceKey?: string;
  };
}

/** Name of the bucket setting. */
export const WEBSITE_SETTING = 'website';

/** Where a browser is sent. */
export interface Redirect {
  readonly status: number;
  readonly location: string;
}

/** Where this page was asked for. */
export interface Page {
  readonly protocol: string;
  readonly host: string;
  readonly key: string;
  /** With its question mark, as it was sent; empty where there is none. */
  readonly search: string;
}

/**
 * The redirect that a website's rules give: before the object is looked for without `errorCode`, after it failed with it.
 *
 * Source: Amazon S3 User Guide, "(Optional) Configuring a webpage redirect".
 */
export function findRedirect(
  website: Website,
  page: Page,
  errorCode?: number,
): Redirect | undefined {
  const { redirectAll } = website;
  if (redirectAll !== undefined) {
    const { hostName, protocol = page.protocol } = redirectAll;
    return redirectTo(301, `${protocol}://${hostName}/${encodePath(page.key)}`, page);
  }
  const rule = website.rules.find(
    (one) =>
      one.errorCode === errorCode &&
      (one.keyPrefix === undefined || page.key.startsWith(one.keyPrefix)),
  );
  return rule === undefined ? undefined : follow(rule, page);
}

function follow({ keyPrefix = '', redirect }: RoutingRule, page: Page): Redirect {
  const { hostName = page.host, protocol = page.protocol, status = 301 } = redirect;
  return redirectTo(
    status,
    `${protocol}://${hostName}/${newPath(redirect, keyPrefix, page)}`,
    page,
  );
}

/** What a rule says may hold a query (`resize?key=`) or a fragment (`#!/`), as rules of single-page sites do. */
function newPath(
  { replaceKey, replacePrefix }: RoutingRule['redirect'],
  keyPrefix: string,
  { key }: Page,
): string {
  if (replaceKey !== undefined) return encodeURI(replaceKey);
  if (replacePrefix === undefined) return encodePath(key);
  return encodeURI(replacePrefix) + encodePath(key.slice(keyPrefix.length));
}

function redirectTo(status: number, address: string, { search }: Page): Redirect {
  const further = address.includes('?') ? search.replace('?', '&') : search;
  return { status, location: address + further };
}

/** A key as a path: every segment escaped, the slashes kept. */
export function encodePath(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/');
}
