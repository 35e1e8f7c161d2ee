/**
 * The names of the objects in memory that follow the ledger. Each thread has some of them. They take each
 * commit in this order, and all of them take it before the callers of the commit get their answers.
 */
export const SUBSCRIBERS = [
  // Sessions come first, because a revoked token must not get an answer that the commit made possible.
  'sessions',
  'answers',
  // The feed follows the answers, because the requests that the feed wakes read the answers.
  'feed',
  // Webhooks follow the answers too, because a receiver may poll as soon as it gets an entry.
  'webhooks',
  // Logs and metrics change no answer. The metrics of commits, which are not about entries, come from the
  // writer.
  'overrides in the log',
  'quotas in the log',
  'clock in the log',
  'metrics',
] as const

export type SubscriberName = (typeof SUBSCRIBERS)[number]
