import { SettingsError } from './settings-error.ts';

/** The address of a page of a running server; one without a path means `page`. Throws a SettingsError. */
export function pageAddress(text: string, page: string): URL {
  const url = URL.parse(text);
  // Without `http://` the name of a host is taken for a scheme.
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new SettingsError(`"${text}" is not an address such as http://127.0.0.1:9000.`);
  }
  if (url.pathname === '/') url.pathname = page;
  return url;
}
