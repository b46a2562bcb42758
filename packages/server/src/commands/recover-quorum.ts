import type { Survivor } from '@holdfast/replica';
import { examineSurvivor, recoverQuorum } from '@holdfast/replica';
import type { ExitCode, Terminal } from '../terminal.ts';
import { inspecting } from './inspection.ts';

export interface RecoverQuorumOptions {
  /** Data folder of a node that is stopped. */
  readonly data: string;
  /** Id of the cluster that is given up; without it nothing is done. */
  readonly confirm?: string;
  readonly json: boolean;
}

/** Says what a node that is left has and what may be lost; with a confirmation, makes it a cluster of its own. */
export function recoverQuorumOf(
  terminal: Terminal,
  options: RecoverQuorumOptions,
): Promise<ExitCode> {
  return inspecting(terminal, options.data, options, async ({ env, path, print, refuse }) => {
    const survivor = await examineSurvivor({ env, directory: path });
    print(survivor, survivorText(survivor));
    const { confirm = survivor.isUnfinished ? survivor.clusterId : undefined } = options;
    if (confirm === undefined) {
      return refuse(
        'Nothing was changed. If no majority of the voters can be brought back, and this is the node that has most, say: ' +
          `holdfast cluster recover-quorum --data ${path} --confirm ${survivor.clusterId}`,
      );
    }
    const recovered = await recoverQuorum({ env, directory: path }, confirm);
    print(
      recovered,
      `${recovered.nodeId} is the only voter of the new cluster ${recovered.clusterId}, with everything up to entry ${recovered.lastIndex}. ` +
        'Start it as before. Start each new node with an empty folder, --join and ' +
        `--cluster-id ${recovered.clusterId}, then: holdfast cluster add, and promote. The other nodes of the old ` +
        'cluster are refused for ever: empty their folders before they are used again.',
    );
    return 0;
  });
}

function survivorText(survivor: Survivor): string {
  const { clusterId, nodeId, isVoter, isUnfinished, voters, learners } = survivor;
  if (isUnfinished) {
    return `${nodeId} was made the only voter of the new cluster ${clusterId}, and that was cut off: it is finished now.`;
  }
  const others = voters.filter((voter) => voter !== nodeId);
  return [
    `${nodeId} is a ${isVoter ? 'voter' : 'learner'} of cluster ${clusterId}.`,
    `  voters     ${voters.join(', ')}`,
    `  learners   ${learners.join(', ') || '-'}`,
    `  last entry ${survivor.lastIndex} of term ${survivor.lastTerm}; known here to be agreed on up to ${survivor.commitIndex}, applied up to ${survivor.appliedIndex}`,
    'WHAT MAY BE LOST: every write that was acknowledged with the help of ' +
      `${others.join(' and ')} alone and is not in this log: all behind entry ${survivor.lastIndex}. It cannot be known here whether there was any.`,
    `Entries ${survivor.commitIndex + 1} to ${survivor.lastIndex} of this log, if any, become part of the new cluster, whether they were acknowledged or not.`,
    'Of several nodes that are left take the one whose last entry has the highest term, and of those the highest index.',
    'STOP THE OTHERS FIRST, for good: old nodes that have a majority among themselves would go on as the old cluster.',
  ].join('\n');
}
