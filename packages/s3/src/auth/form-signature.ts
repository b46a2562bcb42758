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
 * The access key that signed the policy of a form, with Version 4 or 2; undefined for a form without policy. `fields`
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
  const policy = fields.get('policy');
  const version2 = fields.get('awsaccesskeyid');
  const version4 = fields.get('x-amz-credential');
  if (policy === undefined) {
    if (version2 === undefined && version4 === undefined) return undefined;
    throw missing('policy');
  }
  if (version4 !== undefined) return checkVersion4(policy, version4, fields, rules);
  if (version2 === undefined) throw missing('x-amz-credential');
  if (!rules.allowSignatureV2) throw version2SwitchedOff();
  const signature = fields.get('signature');
  if (signature === undefined) throw missing('signature');
  const secret = secretOf(version2, rules);
  if (!sameText(signVersion2(secret, policy), signature)) {
    throw signatureDoesNotMatch({ accessKeyId: version2, signature }, policy);
  }
  return version2;
}

function checkVersion4(
  policy: string,
  credentialText: string,
  fields: ReadonlyMap<string, string>,
  rules: FormSignatureRules,
): string {
  const signature = fields.get('x-amz-signature');
  if (signature === undefined) throw missing('x-amz-signature');
  if (fields.get('x-amz-algorithm') !== ALGORITHM) throw missing('x-amz-algorithm');
  const credentialRules = { region: rules.region, acceptAnyRegion: false };
  const credential = parseCredential(
    credentialText,
    credentialRules,
    (reason, details) => new AuthError('AuthorizationQueryParametersError', reason, details),
  );
  const { accessKeyId, scope } = credential;
  if (fields.get('x-amz-date')?.startsWith(scope.date) !== true) throw missing('x-amz-date');
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

function missing(field: string): AuthError {
  return new AuthError(
    'InvalidArgument',
    `Bucket POST must contain a field named '${field}'.  If it is specified, please check the order of the fields.`,
    { ArgumentName: field, ArgumentValue: '' },
  );
}
