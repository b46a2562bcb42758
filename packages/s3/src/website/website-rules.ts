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
    return { status: 301, location: `${protocol}://${hostName}/${encodePath(page.key)}` };
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
  let { key } = page;
  if (redirect.replaceKey !== undefined) key = redirect.replaceKey;
  else if (redirect.replacePrefix !== undefined) {
    key = redirect.replacePrefix + key.slice(keyPrefix.length);
  }
  return { status, location: `${protocol}://${hostName}/${encodePath(key)}` };
}

/** A key as a path: every segment escaped, the slashes kept. */
export function encodePath(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/');
}
