import { expect, test } from 'vitest';
import { stories } from './fixtures/stories.ts';

const FACTS: Readonly<Record<keyof typeof stories, string>> = {
  whatOnlyACutOffLeaderWrote:
    'what a cut-off leader wrote alone is taken back when it starts again',
  termAndVoteComeFirst:
    'term and vote are durable before an entry of the term, and a request before it is called durable',
  anAcknowledgementWaitsForTheDisk: 'what a majority has not synced is not answered',
  aFullVolumeIsWaitedOut: 'a full volume acknowledges nothing, and goes on when there is room',
  aNodeThatWentApartStops: "a node whose state is not its leader's stops at the next checkpoint",
  aSlowDiskGivesLeadershipAway: 'a leader whose disk hangs hands leadership over',
  aBrokenDiskGivesLeadershipAway: 'a leader whose disk fails stops, and another one leads at once',
  aMemberThatIsBehindCatchesUpFromTheLog:
    'a member that was away is brought up from the log that is kept behind the tables',
  aVoterThatLostItsFolderDoesNotVote:
    'a voter that comes back with an empty folder elects nobody, and is told what to do',
  aVoterThatLostItsFolderDoesNotAcknowledge:
    'a voter with an empty folder acknowledges nothing until it was removed and added again',
  aFolderCountsFromItsAppendOn:
    'whose folder counts is known to who has it in the log, before it is known to be committed',
  aRemovedNodeIsQuiet:
    'a node that was removed while it was down says so soon, and stands for no election any more',
  whoIsCutOffRemovesNobody:
    'a member that is cut off from the leader says of nobody that he was removed: he may be taken in again',
};

test.each(Object.entries(FACTS))('%s: %s', async (name) => {
  await expect(stories[name as keyof typeof stories]()).resolves.toBeUndefined();
});
