/** A policy document, parsed and checked. Lists are never empty. */
export interface Policy {
  readonly statements: readonly Statement[];
  /** Whether `${…}` in it is a variable; else it is what is written there. */
  readonly hasVariables: boolean;
  /** Whether it asks for the tags that an object has. */
  readonly readsTags: boolean;
}

export interface Statement {
  readonly effect: 'Allow' | 'Deny';
  /** Absent in the policy of a user: there the principal is the user. */
  readonly principals?: Selection<PrincipalPattern>;
  /** Lower-case patterns such as `s3:get*`. */
  readonly actions: Selection<string>;
  /** Patterns such as `arn:aws:s3:::bucket/*`. */
  readonly resources: Selection<string>;
  readonly conditions: readonly PolicyCondition[];
}

/** `Action` or `NotAction`, and so on: what the statement is about, or all but that. */
export interface Selection<Item> {
  readonly not: boolean;
  readonly items: readonly Item[];
}

export type PrincipalPattern =
  | { readonly kind: 'everyone' }
  /** Everybody of an account, by its id. */
  | { readonly kind: 'account'; readonly accountId: string }
  /** One user, perhaps with a path before its name; an account id that is empty stands for any. */
  | { readonly kind: 'user'; readonly accountId: string; readonly name: string }
  /** Services and identity providers: nobody here is one. */
  | { readonly kind: 'nobody' };

/** One operator on one key; several in a statement must all hold. */
export interface PolicyCondition {
  /** Without prefix and suffix: `StringLike`. */
  readonly operator: string;
  readonly quantifier: 'none' | 'any' | 'all';
  /** `…IfExists`. */
  readonly ifExists: boolean;
  /** As written; compared without regard to case, but for the name of a tag. */
  readonly key: string;
  readonly values: readonly string[];
}

/** Who asks, as policies see it. */
export interface Principal {
  readonly accountId: string;
  /** The account itself, which is nobody's user. */
  readonly root: boolean;
  readonly name: string;
}

/** What is asked, as policies see it. */
export interface PolicyRequest {
  /** undefined for an anonymous request. */
  readonly principal: Principal | undefined;
  /** Such as `s3:GetObject`. */
  readonly action: string;
  /** Such as `arn:aws:s3:::bucket/key`. */
  readonly resource: string;
  /** The values that the request has for a condition key; undefined where it has none. */
  readonly context: (key: string) => readonly string[] | undefined;
}

/** Operators and whether they hold where a value is not there, or is another. */
export const CONDITION_OPERATORS: ReadonlySet<string> = new Set([
  'StringEquals',
  'StringNotEquals',
  'StringEqualsIgnoreCase',
  'StringNotEqualsIgnoreCase',
  'StringLike',
  'StringNotLike',
  'NumericEquals',
  'NumericNotEquals',
  'NumericLessThan',
  'NumericLessThanEquals',
  'NumericGreaterThan',
  'NumericGreaterThanEquals',
  'DateEquals',
  'DateNotEquals',
  'DateLessThan',
  'DateLessThanEquals',
  'DateGreaterThan',
  'DateGreaterThanEquals',
  'Bool',
  'BinaryEquals',
  'IpAddress',
  'NotIpAddress',
  'ArnEquals',
  'ArnLike',
  'ArnNotEquals',
  'ArnNotLike',
  'Null',
]);
