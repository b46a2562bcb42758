import type { Command } from 'commander';
import { SettingsError } from './settings-error.ts';

/**
 * Refuses what would be ignored, or mean something else than was meant: options that only the command above takes (`backup verify
 * --data`), and words that are empty, as an unset variable of a shell leaves them: an empty path is the working directory. Throws a
 * SettingsError.
 */
export function refuseUnusedOptions(command: Command): void {
  const above: Command[] = [];
  for (let { parent } = command; parent !== null; { parent } = parent) above.push(parent);
  for (const { long } of above.flatMap(givenOptions)) {
    const words = [...above.toReversed(), command].map((each) => each.name());
    throw new SettingsError(`"${words.join(' ')}" takes no ${long}.`);
  }
  for (const { long, value } of givenOptions(command)) {
    if (value === '') throw new SettingsError(`${long} is empty.`);
  }
  for (const [at, argument] of command.registeredArguments.entries()) {
    if (command.args[at] === '') throw new SettingsError(`<${argument.name()}> is empty.`);
  }
}

/** Those of the command line, and not the defaults. */
function givenOptions(command: Command): { readonly long: string; readonly value: unknown }[] {
  return command.options.flatMap((option) => {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) !== 'cli') return [];
    return [{ long: option.long ?? option.flags, value: command.getOptionValue(name) as unknown }];
  });
}
