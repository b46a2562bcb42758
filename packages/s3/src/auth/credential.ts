import type { AuthError } from './auth-error.ts';
import type { CredentialScope } from './authentication.ts';

export interface Credential {
  readonly text: string;
  readonly accessKeyId: string;
  readonly scope: CredentialScope;
}

export interface CredentialRules {
  readonly region: string;
  readonly acceptAnyRegion: boolean;
  /** What was made of the same text under the same rules before, if it is remembered. */
  readonly known?: (text: string) => Credential | undefined;
}

/** Makes the error of the place where the credential stood (header or query) from a reason. */
export type Complaint = (reason: string, details?: Readonly<Record<string, string>>) => AuthError;

const DATE = /^[0-9]{8}$/;
const SERVICE = 's3';
const TERMINATOR = 'aws4_request';

/** `ACCESSKEY/YYYYMMDD/REGION/s3/aws4_request`. The access key may contain slashes, the rest may not. */
export function parseCredential(
  text: string,
  rules: CredentialRules,
  complain: Complaint,
): Credential {
  const known = rules.known?.(text);
  if (known !== undefined) return known;
  const parts = text.split('/');
  const terminator = parts.pop();
  const service = parts.pop();
  const region = parts.pop();
  const date = parts.pop();
  const accessKeyId = parts.join('/');
  if (terminator === undefined || service === undefined || region === undefined) {
    throw malformed(complain);
  }
  if (date === undefined || accessKeyId === '') throw malformed(complain);
  if (!DATE.test(date)) {
    throw complain(
      `incorrect date format "${date}". This date in the credential must be in the format "yyyyMMdd".`,
    );
  }
  if (service !== SERVICE) {
    throw complain(`incorrect service "${service}". This endpoint belongs to "${SERVICE}".`);
  }
  if (terminator !== TERMINATOR) {
    throw complain(`incorrect terminal "${terminator}". This endpoint uses "${TERMINATOR}".`);
  }
  if (region !== rules.region && !rules.acceptAnyRegion) {
    throw complain(`the region '${region}' is wrong; expecting '${rules.region}'`, {
      Region: rules.region,
    });
  }
  const scopeText = `${date}/${region}/${service}/${terminator}`;
  return { text, accessKeyId, scope: { date, region, service, text: scopeText } };
}

function malformed(complain: Complaint): AuthError {
  return complain(
    'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
  );
}
