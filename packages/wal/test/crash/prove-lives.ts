/** Lives of a log for `npm run prove:lives`, in a process that answers each seed that it is sent with how many they were. */
import { liveLog } from './log-life.ts';

process.on('message', (seed: number) => {
  void liveLog(seed)
    .then((lives) => ({ lives }))
    .catch((error: unknown) => ({ lives: 0, violation: String(error) }))
    .then((outcome) => process.send?.(outcome));
});
process.send?.('ready');
