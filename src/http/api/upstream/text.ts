import type { z } from 'zod'
import { formatColumns } from '../../../text/columns.ts'
import { sections, timeText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

export function upstreamText({ url, channels }: z.infer<typeof shapes.Upstream>): string {
  if (url === null) return 'This depot has no upstream.'
  return sections(
    formatColumns(
      ['CHANNEL', 'REFRESHED', 'STATE'],
      channels.map(({ origin, channel, refreshed_at: at, refreshing, fault }) => [
        `${origin}/${channel}`,
        at === null ? 'never' : timeText(at),
        refreshing ? 'refreshing' : fault === null ? 'ok' : 'see below',
      ]),
    ),
    channels.flatMap(({ origin, channel, fault }) =>
      fault === null ? [] : [`${origin}/${channel}: ${fault}`],
    ),
  )
}
