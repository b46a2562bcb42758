import { type ObjectInfo, ObjectStoreError } from '@holdfast/objects';
import { requiredAction } from '../access/action-table.ts';
import { mayList, openBucket, requireAccess } from '../access/authorize.ts';
import { sendEmpty, sendObject } from '../answer.ts';
import { corsAnswerHeaders } from '../cors/cors-answer.ts';
import { isHeaderValue } from '../header-text.ts';
import { objectHeaders } from '../object-metadata.ts';
import { getObject } from '../operations/get-object.ts';
import { headObject } from '../operations/head-object.ts';
import { preflight } from '../operations/preflight.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import {
  encodePath,
  findRedirect,
  type Page,
  WEBSITE_SETTING,
  type Website,
} from './website-rules.ts';

const METHODS: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

/**
 * Answers a request to a bucket's website: pages for browsers, to everybody whom policy or ACL lets read them.
 *
 * Source: Amazon S3 User Guide, "Hosting a static website using Amazon S3", "Website endpoints".
 */
export async function serveWebsite(call: S3Call): Promise<void> {
  call.operation = 'WebsiteGet';
  if (!METHODS.includes(call.method)) {
    const fields = { Method: call.method, ResourceType: 'OBJECT' };
    throw new S3Error('MethodNotAllowed', undefined, fields, ['Allow', METHODS.join(', ')]);
  }
  const open = await openBucket(call, call.bucket);
  call.openBucket = open;
  if (call.headers.has('origin')) call.corsHeaders = corsAnswerHeaders(call);
  if (call.method === 'OPTIONS') return preflight(call);
  const text = open.bucket.settings.get(WEBSITE_SETTING);
  if (text === undefined) {
    throw new S3Error('NoSuchWebsiteConfiguration', undefined, { BucketName: call.bucket });
  }
  const website = JSON.parse(text) as Website;
  const page = pageOf(call);
  const redirect = findRedirect(website, page);
  if (redirect !== undefined) {
    await sendEmpty(call, redirect.status, ['Location', redirect.location]);
    return;
  }
  try {
    await servePage(call, website, page);
  } catch (error) {
    const refusal = asRefusal(error);
    if (refusal === undefined || call.res.headersSent) throw error;
    await serveRefusal(call, website, page, refusal);
  }
}

function pageOf(call: S3Call): Page {
  const host = call.headers.get('host') ?? '';
  const [search] = /\?[\u0021-\u007e]+$/.exec(call.req.url ?? '') ?? [''];
  return { protocol: call.scheme, host, key: call.key, search };
}

async function servePage(call: S3Call, website: Website, page: Page): Promise<void> {
  const folder = page.key === '' || page.key.endsWith('/');
  const key = folder ? page.key + (website.indexSuffix ?? '') : page.key;
  const info = await findPage(call, key);
  if (info === undefined) {
    if (!folder && (await isPage(call, `${key}/${website.indexSuffix ?? ''}`))) {
      // Safety: a browser takes what stands behind two slashes for another host.
      const path = encodePath(key).replace(/^\//, '%2F');
      await sendEmpty(call, 302, ['Location', `/${path}/`]);
      return;
    }
    throw await explainMissing(call, key);
  }
  const elsewhere = info.metadata.websiteRedirectLocation;
  if (elsewhere !== undefined && isHeaderValue(elsewhere)) {
    await sendEmpty(call, 301, ['Location', elsewhere]);
    return;
  }
  call.target = { ...call.target, level: 'object', key, query: new Map() };
  await (call.method === 'HEAD' ? headObject(call) : getObject(call));
}

/** The object, if it is there. @throws S3Error AccessDenied where not everybody may read it */
async function findPage(call: S3Call, key: string): Promise<ObjectInfo | undefined> {
  const { openBucket: open } = call;
  const info = await findInfo(call, key);
  // Why not where it is missing: a folder of this name may have an index document, whoever may list.
  if (info !== undefined) {
    await requireAccess(call, { ...open, required: requiredAction('GetObject'), key });
  }
  return info;
}

async function findInfo(call: S3Call, key: string): Promise<ObjectInfo | undefined> {
  try {
    return await call.store.headObject({ bucket: call.bucket, key, anyKey: true });
  } catch (error) {
    if (error instanceof ObjectStoreError && error.code === 'NoSuchKey') return undefined;
    throw error;
  }
}

/** Whether the object is there, and everybody may read it. */
async function isPage(call: S3Call, key: string): Promise<boolean> {
  try {
    return (await findPage(call, key)) !== undefined;
  } catch (error) {
    if (error instanceof S3Error && error.code === 'AccessDenied') return false;
    throw error;
  }
}

/** What everybody may know of a page that is not there. */
async function explainMissing(call: S3Call, key: string): Promise<S3Error> {
  const { openBucket: open } = call;
  await requireAccess(call, { ...open, required: requiredAction('GetObject'), key });
  if (!(await mayList(call, open, key))) return new S3Error('AccessDenied');
  return new S3Error('NoSuchKey', undefined, { Key: key });
}

/** What a browser is told of; undefined for what only the log should know. */
function asRefusal(error: unknown): S3Error | undefined {
  return error instanceof S3Error && error.status >= 400 && error.status < 500 ? error : undefined;
}

async function serveRefusal(
  call: S3Call,
  website: Website,
  page: Page,
  refusal: S3Error,
): Promise<void> {
  call.errorCode = refusal.code;
  const redirect = findRedirect(website, page, refusal.status);
  if (redirect !== undefined) {
    await sendEmpty(call, redirect.status, ['Location', redirect.location]);
    return;
  }
  const { errorKey } = website;
  if (errorKey === undefined) throw refusal;
  await serveErrorDocument(call, errorKey, refusal.status).catch((cause: unknown) => {
    if (asRefusal(cause) === undefined || call.res.headersSent) throw cause;
    throw new S3Error(refusal.code, refusal.message, refusal.fields, refusal.headers, { cause });
  });
}

/** Throws where the error document is not there, or not for everybody. */
async function serveErrorDocument(call: S3Call, key: string, status: number): Promise<void> {
  const info = await findPage(call, key);
  if (info === undefined) throw await explainMissing(call, key);
  const elsewhere = info.metadata.websiteRedirectLocation;
  if (elsewhere !== undefined && isHeaderValue(elsewhere)) {
    await sendEmpty(call, 301, ['Location', elsewhere]);
    return;
  }
  call.target = { ...call.target, query: new Map() };
  const reader = await call.store.getObject({ bucket: call.bucket, key });
  await sendObject(call, status, objectHeaders(call, reader.info), reader);
}
