import type { z } from 'zod'
import { formatColumns } from '../../../text/columns.ts'
import { sections, timeText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

export function mirrorText({ status, plan }: z.infer<typeof shapes.Mirror>): string {
  const { running, begun_at: begunAt, ended_at: endedAt, planned, fetched, bytes, failed, fault } = status
  const { succeeded_at: succeededAt } = status
  const state =
    begunAt === null
      ? 'The mirror has not run yet.'
      : running
        ? `The mirror has fetched ${fetched} of ${planned} releases since ${timeText(begunAt)}.`
        : `The mirror fetched ${fetched} of ${planned} releases, ${bytes} bytes, until ${timeText(endedAt)}.`
  return sections(
    [
      state,
      ...(failed === 0 ? [] : [`${failed} failed.`]),
      ...(fault === null
        ? []
        : [
            fault,
            succeededAt === null
              ? 'No run has been complete yet.'
              : `The last complete run ended ${timeText(succeededAt)}.`,
          ]),
    ],
    plan === null
      ? []
      : [
          formatColumns(
            ['TO FETCH', 'TARGET', 'BYTES'],
            plan.releases.map(({ ident, target, size_bytes: size }) => [
              ident,
              target,
              size === null ? 'unknown' : String(size),
            ]),
          ),
          ...plan.absent_views.map((view) => `DEPOT_MIRROR_VIEWS names ${view}, and there is no such view.`),
          `${plan.count} releases, ${plan.bytes} bytes${plan.unknown_sizes === 0 ? '' : ` and ${plan.unknown_sizes} of unknown size`}`,
        ],
  )
}

export function upstreamText({ url, channels }: z.infer<typeof shapes.Upstream>): string {
  if (url === null) return 'This depot has no upstream.'
  return sections(
    formatColumns(
      ['CHANNEL', 'REFRESHED', 'FETCHED', 'STATE'],
      channels.map(({ origin, channel, adopted, refreshed_at: at, refreshing, fault, ...counts }) => [
        `${origin}/${channel}`,
        at === null ? 'never' : timeText(at),
        `${counts.fetched} of ${counts.releases}`,
        !adopted ? 'not adopted' : refreshing ? 'refreshing' : fault === null ? 'ok' : 'see below',
      ]),
    ),
    channels.flatMap(({ origin, channel, fault }) =>
      fault === null ? [] : [`${origin}/${channel}: ${fault}`],
    ),
  )
}
