/** Rules of the API: what is stored is what was sent, by who may send it. */
import { type Hunt, type Mutant, test } from './mutant.ts';

const hunts: readonly Hunt[] = [
  { module: 'packages/s3/test/trials.ts', trial: 'random', seeds: 4 },
];

export const s3Mutants: readonly Mutant[] = [
  {
    name: 'If-Match of a write is not read',
    rule: 'A conditional write replaces what it names.',
    broken: {
      file: 'packages/s3/src/conditional-headers.ts',
      from: "  const match = call.headers.get('if-match');\n  const noneMatch = call.headers.get('if-none-match');\n  if (match === undefined && noneMatch === undefined) return undefined;",
      to: "  const match = undefined as string | undefined;\n  const noneMatch = call.headers.get('if-none-match');\n  if (match === undefined && noneMatch === undefined) return undefined;",
    },
    pinned: test(
      'packages/s3/test/copy-delete.test.ts',
      'conditional puts are decided: If-None-Match * and If-Match',
    ),
    hunts,
  },
  {
    name: 'a body is not held against its Content-MD5',
    rule: 'What is stored is what was sent.',
    broken: {
      file: 'packages/s3/src/body/body-verification.ts',
      from: 'if (contentMd5 !== undefined) checkContentMd5(contentMd5, digests);',
      to: 'if (contentMd5 !== undefined) void checkContentMd5;',
    },
    pinned: test('packages/s3/test/body/body-verification.test.ts', 'Content-MD5 > is verified'),
    hunts,
  },
  {
    name: 'a body is not held against its x-amz-content-sha256',
    rule: 'What is stored is what was signed.',
    broken: {
      file: 'packages/s3/src/body/body-verification.ts',
      from: 'if (contentSha256 !== undefined) checkContentSha256(contentSha256, digests);',
      to: 'if (contentSha256 !== undefined) void checkContentSha256;',
    },
    pinned: test(
      'packages/s3/test/body/body-verification.test.ts',
      'x-amz-content-sha256 > is verified',
    ),
    hunts,
  },
  {
    name: 'a body is not held against its checksum',
    rule: 'What is stored is what was sent.',
    broken: {
      file: 'packages/s3/src/body/body-verification.ts',
      from: 'if (claim !== undefined) checkChecksum(claim, claimedValue(claim, body), digests);',
      to: 'if (claim !== undefined) void checkChecksum;',
    },
    pinned: test(
      'packages/s3/test/body/body-verification.test.ts',
      'x-amz-checksum-crc32c > in headers is verified and stored',
    ),
    hunts,
  },
  {
    name: 'any signature of a chunk is right',
    rule: 'No chunk is left out, repeated or changed.',
    broken: {
      file: 'packages/s3/src/body/chunk-signatures.ts',
      from: '    if (!same) {',
      to: '    if (!same && given.length === 0) {',
    },
    pinned: test(
      'packages/s3/test/body/aws-chunked.test.ts',
      'streaming-signed, changed on the way > chunks that are left out, repeated or swapped are refused',
    ),
    hunts,
  },
  {
    name: 'any signature of a request is right',
    rule: 'Only who has the secret is let in.',
    broken: {
      file: 'packages/s3/src/auth/same-text.ts',
      from: "return timingSafeEqual(Buffer.from(expected, 'latin1'), Buffer.from(given, 'latin1'));",
      to: "return timingSafeEqual(Buffer.from(expected, 'latin1'), Buffer.from(expected, 'latin1'));",
    },
    pinned: test(
      'packages/s3/test/auth/authenticator.test.ts',
      'each digit of the signature counts, and so does its length',
    ),
    hunts,
  },
  {
    name: 'a Deny of a policy is ignored',
    rule: 'A Deny has the last word.',
    broken: {
      file: 'packages/s3/src/policy/evaluate-policy.ts',
      from: "if (statement.effect === 'Deny') return 'deny';",
      to: "if (statement.effect === 'Deny') return 'silent';",
    },
    pinned: test(
      'packages/s3/test/policy/evaluate-policy.test.ts',
      'a policy denies whatever else allows',
    ),
    hunts,
  },
  {
    name: 'a copied part does not ask for its source',
    rule: 'Who copies must be allowed to read.',
    broken: {
      file: 'packages/s3/src/operations/upload-part-copy.ts',
      from: '  await requireSource(call, source);',
      to: '  void requireSource;',
    },
    pinned: test(
      'packages/s3/test/policy-evasion.test.ts',
      'putter copies src/open, or a part of it: AccessDenied',
    ),
    hunts,
  },
];
