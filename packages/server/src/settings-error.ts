import { OperatingError } from '@holdfast/bytes';

/** The user asked for something that cannot be. The message is a plain sentence that says what to change. */
export class SettingsError extends OperatingError {
  override readonly code = 'SETTINGS_INVALID';
}
