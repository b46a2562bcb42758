import type { EncryptionRequest } from './encryption.ts';
import type {
  BodySource,
  BodyVerification,
  CopyObjectRequest,
  ObjectConditions,
  ObjectMetadata,
  VersionAddress,
} from './object-store.ts';

/**
 * One operation of a transaction. Conditions are of the latest version as it is when all is done. `said`: what the request says of
 * the write that the other fields do not show, or not apart from defaults; under one token it must be the same.
 */
export type TransactionOperation = {
  readonly key: string;
  readonly conditions?: ObjectConditions | undefined;
} & (
  | {
      readonly op: 'put';
      readonly body: BodySource;
      readonly verification?: BodyVerification;
      readonly metadata: ObjectMetadata;
      readonly encryption?: EncryptionRequest;
      readonly said?: string | undefined;
    }
  /** A source that is not named by a version must be the same still when all is done. */
  | ({
      readonly op: 'copy';
      readonly source: VersionAddress;
      readonly sourceConditions?: ObjectConditions;
      readonly said?: string | undefined;
    } & Pick<
      CopyObjectRequest,
      'metadata' | 'tagging' | 'mayCopyTags' | 'access' | 'own' | 'encryption' | 'sourceCustomerKey'
    >)
  /** As DeleteObject without a version id. With conditions there must be an object for which they hold. */
  | { readonly op: 'delete' }
  /** Changes nothing. */
  | { readonly op: 'check' }
);

export interface ObjectTransactionRequest {
  readonly bucket: string;
  /** 1 to 1000, of different keys. The next one is asked for when the body of the one before was read. */
  readonly operations: AsyncIterable<TransactionOperation>;
  /** As of `RenameObjectRequest`. */
  readonly clientToken?: string;
}

export type TransactionResult = { readonly key: string; readonly versionId?: string } & (
  | { readonly op: 'put' | 'copy'; readonly etag: string; readonly sizeBytes: number }
  | { readonly op: 'delete'; readonly deleteMarker?: true }
  | { readonly op: 'check' }
);
