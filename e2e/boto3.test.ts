import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectPresence, whyMissing } from './harness/client-program.ts';
import { ClientWorkplace } from './harness/client-workplace.ts';
import { CREDENTIALS } from './harness/holdfast-process.ts';
import { patternBytes, sha256 } from './harness/pattern-bytes.ts';

const MIB = 1024 * 1024;
const missing = await whyMissing({
  command: 'python3',
  probe: ['-c', 'import boto3'],
  package: 'python3-boto3',
});

const PRELUDE = `
import boto3, hashlib, json, os, urllib.request
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
config = Config(signature_version='s3v4', retries={'max_attempts': 1}, s3={'addressing_style': 'path'})
s3 = boto3.client('s3', endpoint_url=os.environ['ENDPOINT'], config=config)
def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response['Error']['Code'], error.response['ResponseMetadata']['HTTPStatusCode']
    return 'none', 200
def say(**values):
    print(json.dumps(values))
`;

test('boto3 is there', (context) => expectPresence(context, missing));

describe.skipIf(missing !== undefined)('boto3', () => {
  let place: ClientWorkplace;
  beforeAll(async () => {
    place = await ClientWorkplace.open('boto3');
  });
  afterAll(async () => {
    await place?.[Symbol.asyncDispose]();
  });

  /** What the script says. */
  async function python(script: string): Promise<unknown> {
    const output = await place.succeed('python3', ['-c', `${PRELUDE}\n${script}`], {
      ENDPOINT: place.server.endpoint,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_EC2_METADATA_DISABLED: 'true',
      // Why: the interpreter may be found through the home folder, which is another one here.
      ...(process.env['HOME'] === undefined ? {} : { HOME: process.env['HOME'] }),
      AWS_CONFIG_FILE: place.path('no-config'),
      AWS_SHARED_CREDENTIALS_FILE: place.path('no-credentials'),
      PYTHONDONTWRITEBYTECODE: '1',
    });
    return JSON.parse(output);
  }

  test('upload_file sends parts side by side, and download_file brings them back', async () => {
    const bytes = patternBytes(11, 12 * MIB);
    await place.write('large', bytes);
    const said = await python(`
transfer = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20, max_concurrency=3)
s3.upload_file('large', 'boto3', 'large', Config=transfer, ExtraArgs={'Metadata': {'a': 'b'}, 'ContentType': 'x/y'})
s3.download_file('boto3', 'large', 'large.back', Config=transfer)
head = s3.head_object(Bucket='boto3', Key='large')
say(size=head['ContentLength'], etag=head['ETag'], metadata=head['Metadata'], type=head['ContentType'],
    sha=hashlib.sha256(open('large.back', 'rb').read()).hexdigest())
`);
    expect(said).toEqual({
      size: 12 * MIB,
      etag: expect.stringMatching(/^"[0-9a-f]{32}-3"$/),
      metadata: { a: 'b' },
      type: 'x/y',
      sha: sha256(bytes),
    });
  });

  test('paginators, delimiters, start-after and the resource interface list what is there', async () => {
    const said = await python(`
for number in range(25):
    s3.put_object(Bucket='boto3', Key=f'list/{number:02}/k', Body=b'x')
s3.put_object(Bucket='boto3', Key='list/a+b c', Body=b'')
pages = s3.get_paginator('list_objects_v2')
keys = [each['Key'] for page in pages.paginate(Bucket='boto3', Prefix='list/', PaginationConfig={'PageSize': 7}) for each in page['Contents']]
groups = [each['Prefix'] for page in pages.paginate(Bucket='boto3', Prefix='list/', Delimiter='/', PaginationConfig={'PageSize': 4}) for each in page.get('CommonPrefixes', [])]
after = s3.list_objects_v2(Bucket='boto3', Prefix='list/', StartAfter='list/23/k')['Contents']
bucket = boto3.resource('s3', endpoint_url=os.environ['ENDPOINT'], config=config).Bucket('boto3')
count = len(list(bucket.objects.filter(Prefix='list/')))
deleted = bucket.objects.filter(Prefix='list/').delete()
say(keys=len(keys), ordered=keys == sorted(keys), groups=len(groups), after=[each['Key'] for each in after],
    count=count, deleted=sum(len(each['Deleted']) for each in deleted), left=len(list(bucket.objects.filter(Prefix='list/'))))
`);
    expect(said).toEqual({
      keys: 26,
      ordered: true,
      groups: 25,
      after: ['list/24/k', 'list/a+b c'],
      count: 26,
      deleted: 26,
      left: 0,
    });
  });

  test('checksums of every algorithm are kept and verified, presigned addresses read and write', async () => {
    const said = await python(`
kept = {}
for algorithm in ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256', 'SHA512', 'XXHASH64', 'XXHASH3', 'XXHASH128']:
    try:
        s3.put_object(Bucket='boto3', Key=algorithm, Body=b'checked', ChecksumAlgorithm=algorithm)
    except Exception as error:
        # Some need a native library of the client's, and older ones do not know them all.
        if 'crt' in str(error).lower() or 'unsupported checksum' in str(error).lower(): continue
        raise
    got = s3.get_object(Bucket='boto3', Key=algorithm, ChecksumMode='ENABLED')
    kept[algorithm] = got['Body'].read().decode() if 'Checksum' + algorithm in got else None
put = s3.generate_presigned_url('put_object', Params={'Bucket': 'boto3', 'Key': 'presigned'})
urllib.request.urlopen(urllib.request.Request(put, data=b'by address', method='PUT')).read()
get = s3.generate_presigned_url('get_object', Params={'Bucket': 'boto3', 'Key': 'presigned'})
say(wrong=[each for each in kept if kept[each] != 'checked'], sha=kept['SHA256'], crc=kept['CRC32'], read=urllib.request.urlopen(get).read().decode())
`);
    expect(said).toEqual({ wrong: [], sha: 'checked', crc: 'checked', read: 'by address' });
  });

  test('errors and conditions come as the codes that applications look for', async () => {
    const said = await python(`
s3.put_object(Bucket='boto3', Key='once', Body=b'1', IfNoneMatch='*')
say(missing=code(s3.get_object, Bucket='boto3', Key='nothing'), head=code(s3.head_object, Bucket='boto3', Key='nothing'),
    bucket=code(s3.list_objects_v2, Bucket='no-such-bucket'), again=code(s3.put_object, Bucket='boto3', Key='once', Body=b'2', IfNoneMatch='*'),
    match=code(s3.get_object, Bucket='boto3', Key='once', IfMatch='"0"'),
    upload=code(s3.complete_multipart_upload, Bucket='boto3', Key='once', UploadId='0' * 32, MultipartUpload={'Parts': [{'PartNumber': 1, 'ETag': 'x'}]}))
`);
    expect(said).toEqual({
      missing: ['NoSuchKey', 404],
      head: ['404', 404],
      bucket: ['NoSuchBucket', 404],
      again: ['PreconditionFailed', 412],
      match: ['PreconditionFailed', 412],
      upload: ['NoSuchUpload', 404],
    });
  });
});
