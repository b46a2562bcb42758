import { OperatingError } from '@holdfast/bytes';

/** The document is not a policy, or not one for this place, or does not mean what it says. */
export class PolicyError extends OperatingError {
  override readonly code = 'MalformedPolicy';
  /** Which statement is wrong, from 0; undefined where none alone is. */
  readonly statement: number | undefined;

  constructor(message: string, statement?: number) {
    super(message);
    this.statement = statement;
  }
}

/** Does something with each statement; a PolicyError of it names the statement. */
export function eachStatement<Statement, Result>(
  statements: readonly Statement[],
  work: (statement: Statement) => Result,
): Result[] {
  return statements.map((statement, index) => {
    try {
      return work(statement);
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      throw new PolicyError(error.message, index);
    }
  });
}
