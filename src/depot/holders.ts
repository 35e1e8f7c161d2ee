/**
 * What a thread holds in memory, in the order in which it is told of a commit. All of it has taken a commit before the
 * callers of that commit get their answers. A thread holds only some of these.
 */
export const HOLDERS = [
  // First, because a token that was revoked must not get an answer that the commit made possible.
  'sessions',
  'answers',
  // After the answers, because a request that the feed wakes reads them.
  'feed',
  // A receiver that gets an entry may poll at once.
  'webhooks',
  // Logs and counts change no answer.
  'override warnings',
  'metrics',
] as const

export type HolderName = (typeof HOLDERS)[number]
