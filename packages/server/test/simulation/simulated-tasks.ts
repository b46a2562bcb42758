/** Background work of a process that lives in simulated time: one task after the other, and again later where it fails. */
import type { Clock } from '@holdfast/env';
import type { TaskQueue, TaskQueueFactory } from '@holdfast/objects';

const MOST_TRIES = 5;
const RETRY_MS = 500;

/** `onFailure`: is told of a task that is given up. */
export function simulatedTasks(
  clock: Clock,
  onFailure: (name: string, error: unknown) => void,
): TaskQueueFactory {
  return <Task>(name: string, run: (task: Task) => Promise<void>): TaskQueue<Task> => {
    const waiting = new Map<string, Task>();
    let running: Promise<void> | undefined;
    const attempt = async (task: Task): Promise<void> => {
      for (let tries = 1; ; tries++) {
        try {
          return await run(task);
        } catch (error) {
          if (tries === MOST_TRIES) return onFailure(name, error);
          await clock.sleep(RETRY_MS * tries);
        }
      }
    };
    const work = async (): Promise<void> => {
      for (const [id, task] of waiting) {
        waiting.delete(id);
        await attempt(task);
      }
      running = undefined;
    };
    return {
      push: (id, task) => {
        waiting.set(id, task);
        // Why later: the store that makes the queue is not whole yet.
        running ??= Promise.resolve().then(work);
      },
      idle: async () => {
        while (running !== undefined) await running;
      },
      close: async () => {
        waiting.clear();
        await running;
      },
    };
  };
}
