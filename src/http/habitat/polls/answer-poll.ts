import type { Audience } from '../../../access/access.ts'
import { mayReadOrigin } from '../../../access/anonymous-reading.ts'
import type { AnonymousReading } from '../../../access/anonymous-reading.ts'
import type { Answers, LatestAnswer } from '../../../answers/answers.ts'
import type { PackageAnswer } from '../../../answers/package-answer.ts'
import type { Depot } from '../../../depot/depot.ts'
import { isListed } from '../../../config/upstream-config.ts'
import { formatIdent } from '../../../package/ident.ts'
import { DEFAULT_TARGET } from '../../../package/target.ts'
import type { Target } from '../../../package/target.ts'
import { STABLE, UNSTABLE } from '../../../views/view.ts'
import { clientTarget } from '../conventions/parameters.ts'
import { NO_CACHE } from '../conventions/replies.ts'
import type { PackageReply } from './package-reply.ts'

// Decides what polls mean, for the routes and for the fast path. Supervisors poll all day for the latest
// release of a package, and for its contents.

const PUBLIC_CACHE_CONTROL = 'public, max-age=31536000'

/** The present answers, or those of a past state. */
export type PollAnswers = Pick<Answers, 'governs' | 'isUpstream' | 'latest' | 'hasLatest' | 'exact'>

/** The path of a poll. Without a release it asks for `latest`. */
export interface PollPath {
  /** The view below whose URL the poll was sent. */
  readonly view: string | undefined
  readonly channel: string | undefined
  readonly origin: string
  readonly name: string
  readonly version: string | undefined
  readonly release: string | undefined
}

export interface Poll extends PollPath {
  /** The target in the query. */
  readonly target: Target | undefined
  readonly userAgent: string | undefined
}

/** For whom a poll is answered, and what the depot answers to everyone. */
export interface PollReader {
  readonly audience: Audience
  readonly anonymous: AnonymousReading
}

/** Answers a poll. Answers in memory are returned without a promise. */
export function answerPoll(
  answers: PollAnswers,
  poll: Poll,
  reader: PollReader,
): PackageReply | Promise<PackageReply> {
  return poll.release === undefined
    ? answerLatest(answers, poll, reader.audience)
    : answerExact(answers, poll, reader)
}

/**
 * Answers a poll for `latest` (habitat-2016.md 1.2 rows 13–16, habitat-today.md 3.1 and 3.2). Below the URL
 * of a view, packages of upstream origins that the view lacks come from the requested channel, or from
 * `stable`.
 */
function answerLatest(
  answers: PollAnswers,
  poll: Poll,
  audience: Audience,
): PackageReply | Promise<PackageReply> {
  const { view, channel, origin, name } = poll
  if (view === undefined || answers.governs(view, origin))
    return answerLatestIn(answers, poll, view ?? channel, audience)
  const other = channel ?? (answers.isUpstream(origin) ? STABLE : view)
  const isInView = answers.hasLatest({ view, origin, name, target: pollTarget(poll) }, audience)
  return whenKnown(isInView, (isThere) => answerLatestIn(answers, poll, isThere ? view : other, audience))
}

/** Answers `latest` from a view. Without a view, answers from `unstable`, in brief form. */
function answerLatestIn(
  answers: PollAnswers,
  poll: Poll,
  view: string | undefined,
  audience: Audience,
): PackageReply | Promise<PackageReply> {
  const { origin, name, version } = poll
  const question = {
    shape: view === undefined ? 'brief' : 'whole',
    view: view ?? UNSTABLE,
    origin,
    name,
    version,
    target: pollTarget(poll),
  } as const
  const reply = (answer: LatestAnswer | undefined) => ({
    found: answer?.package,
    cacheControl: NO_CACHE,
    view,
    revision: answer?.revision,
  })
  return whenKnown(answers.latest(question, audience), reply)
}

/**
 * Answers an exact show. In a channel the release must be a member (habitat-today.md 3.2); below the URL of a
 * view it need not be, because dependencies are not promoted (decision 0002). Without a channel, a target in
 * the query is only preferred, because Builder ignores it: if the release does not exist for this target, any
 * other is shown (habitat-today.md 3.1).
 */
function answerExact(
  answers: PollAnswers,
  poll: Poll,
  { audience, anonymous }: PollReader,
): PackageReply | Promise<PackageReply> {
  const { view, channel, origin, name, version = '', release = '' } = poll
  const shape = view === undefined && channel === undefined ? 'brief' : 'whole'
  const question = { shape, ident: formatIdent({ origin, name, version, release }) } as const
  const ask = (target: Target | undefined) =>
    answers.exact(
      { ...question, target, ...(view === undefined && channel !== undefined && { view: channel }) },
      audience,
    )
  const mayCache = shape === 'brief' && mayReadOrigin(anonymous, origin)
  const reply = (found: PackageAnswer | undefined) => ({
    found,
    cacheControl: mayCache && found?.isPublic === true ? PUBLIC_CACHE_CONTROL : NO_CACHE,
  })
  if (channel !== undefined) return whenKnown(ask(pollTarget(poll)), reply)
  const named = poll.target === undefined ? undefined : ask(poll.target)
  return whenKnown(named, (found) => (found === undefined ? whenKnown(ask(undefined), reply) : reply(found)))
}

/**
 * Reports whether upstream may have the release of a poll that found nothing. Polls for `latest` never wait
 * for upstream. `unstable` has every release, so `hab` looks there (habitat-today.md 1.6); what other
 * channels have is known without upstream.
 */
export function mayBeUpstream({ config }: Pick<Depot, 'config'>, poll: PollPath): boolean {
  const { view, channel, origin, release } = poll
  if (release === undefined || !isListed(config, origin)) return false
  return view !== undefined || channel === undefined || channel === UNSTABLE
}

/** The views that a channel stands for. */
export interface ChannelViews {
  readonly first: string
  /** The view for packages and targets that have no visible `latest` in `first`. */
  readonly fallback: string | undefined
}

/**
 * Returns the views that a channel stands for. Below the URL of a view, every channel means that view.
 * Packages of ungoverned origins that the view lacks come from the requested channel (decision 0002).
 */
export function viewsOfChannel(
  answers: Pick<Answers, 'governs'>,
  { view, channel, origin }: { view: string | undefined; channel: string; origin: string },
): ChannelViews {
  if (view === undefined) return { first: channel, fallback: undefined }
  return { first: view, fallback: answers.governs(view, origin) ? undefined : channel }
}

/** Returns the target in the query, or else that of the client, or else the default. */
export function pollTarget({ target, userAgent }: Poll): Target {
  return target ?? clientTarget(userAgent) ?? DEFAULT_TARGET
}

/**
 * Calls `act` with a value, without a promise if the value is known: a promise per poll would cost more than
 * the answer.
 */
export function whenKnown<T, U>(known: T | Promise<T>, act: (value: T) => U | Promise<U>): U | Promise<U> {
  return known instanceof Promise ? known.then(act) : act(known)
}
