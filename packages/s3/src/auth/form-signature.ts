import { parseAmzDate } from './amz-date.ts';
import { AuthError } from './auth-error.ts';
import { parseCredential } from './credential.ts';
import { signatureDoesNotMatch, unknownAccessKey } from './refusals.ts';
import { sameText } from './same-text.ts';
import { signVersion2 } from './signature-v2.ts';
import { version2SwitchedOff } from './signature-v2-check.ts';
import { deriveSigningKey } from './signing-keys.ts';

export interface FormSignatureRules {
  readonly findSecret: (accessKeyId: string) => string | undefined;
  readonly region: string;
  readonly allowSignatureV2: boolean;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';

/**
 * The access key that signed the policy of a form, with Version 4 or 2; undefined for a form without a signature. `fields`
 * are by lower-case name. What is signed is the policy as it was sent, in base64.
 *
 * Source: AWS API reference, "Authenticating Requests: Browser-Based Uploads Using POST (AWS Signature Version 4)".
 *
 * @throws AuthError
 */
export function authenticateForm(
  fields: ReadonlyMap<string, string>,
  rules: FormSignatureRules,
): string | undefined {
  if (fields.has('x-amz-credential')) return checkVersion4(fields, rules);
  if (fields.has('awsaccesskeyid') || fields.has('signature')) return checkVersion2(fields, rules);
  if (fields.has('x-amz-algorithm') || fields.has('x-amz-signature')) {
    return checkVersion4(fields, rules);
  }
  return undefined;
}

function checkVersion2(fields: ReadonlyMap<string, string>, rules: FormSignatureRules): string {
  const policy = required(fields, 'policy');
  const accessKeyId = required(fields, 'AWSAccessKeyId');
  if (!rules.allowSignatureV2) throw version2SwitchedOff();
  const signature = required(fields, 'Signature');
  const secret = secretOf(accessKeyId, rules);
  if (!sameText(signVersion2(secret, policy), signature)) {
    throw signatureDoesNotMatch({ accessKeyId, signature }, policy);
  }
  return accessKeyId;
}

function checkVersion4(fields: ReadonlyMap<string, string>, rules: FormSignatureRules): string {
  const policy = required(fields, 'policy');
  const algorithm = required(fields, 'X-Amz-Algorithm');
  const credentialText = required(fields, 'X-Amz-Credential');
  const amzDate = required(fields, 'X-Amz-Date');
  const signature = required(fields, 'X-Amz-Signature');
  if (algorithm !== ALGORITHM) {
    throw invalid(`Only ${ALGORITHM} is supported`, 'X-Amz-Algorithm', algorithm);
  }
  const credentialRules = { region: rules.region, acceptAnyRegion: false };
  const { accessKeyId, scope } = parseCredential(
    credentialText,
    credentialRules,
    (reason, details) => invalid(reason, 'X-Amz-Credential', credentialText, details),
  );
  if (parseAmzDate(amzDate) === undefined) {
    throw invalid('X-Amz-Date must be in the ISO8601 Long Format', 'X-Amz-Date', amzDate);
  }
  if (!amzDate.startsWith(scope.date)) {
    throw invalid(
      `Invalid credential date "${scope.date}". This date is not the same as X-Amz-Date: "${amzDate.slice(0, 8)}".`,
      'X-Amz-Credential',
      credentialText,
    );
  }
  const secret = secretOf(accessKeyId, rules);
  if (!sameText(deriveSigningKey(secret, scope).sign(policy), signature)) {
    throw signatureDoesNotMatch({ accessKeyId, signature }, policy);
  }
  return accessKeyId;
}

function secretOf(accessKeyId: string, rules: FormSignatureRules): string {
  const secret = rules.findSecret(accessKeyId);
  if (secret === undefined) throw unknownAccessKey(accessKeyId);
  return secret;
}

/** `name` is as S3 writes it. */
function required(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name.toLowerCase());
  if (value !== undefined) return value;
  throw invalid(
    `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
    name,
    '',
  );
}

function invalid(
  message: string,
  name: string,
  value: string,
  details: Readonly<Record<string, string>> = {},
): AuthError {
  return new AuthError('InvalidArgument', message, {
    ArgumentName: name,
    ArgumentValue: value,
    ...details,
  });
}
