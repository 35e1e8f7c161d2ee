import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'

const WIDTH = 160
const HEIGHT = 28
/** A chart covers at least this time. */
const SHORTEST_MS = 2 * 60_000
/** A chart covers the time from the move to the last rise, times this. */
const REST = 1.25

/**
 * A step line of how many pollers got a release, below a line for all of them. `most` is the height of the
 * chart in pollers, and `text` says what it shows.
 */
export function uptakeChart({
  points,
  from,
  now,
  most,
  text,
}: {
  points: readonly { readonly at: number; readonly pollers: number }[]
  /** When the release became the latest, in epoch milliseconds. */
  from: number
  now: number
  most: number
  text: string
}): SafeHtml {
  const lastAt = points.at(-1)?.at ?? from
  const span = Math.max(SHORTEST_MS, Math.min(now - from, (lastAt - from) * REST))
  const x = (at: number) => round((Math.min(Math.max(at - from, 0), span) / span) * WIDTH)
  const y = (pollers: number) => round(HEIGHT - 1 - (pollers / Math.max(1, most)) * (HEIGHT - 2))
  const end = x(Math.max(from, now))
  const line = points.map(({ at, pollers }) => `H${x(at)}V${y(pollers)}`).join('')
  return html`<svg class="uptake" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${text}"><line class="all" x1="0" y1="1" x2="${WIDTH}" y2="1" /><path class="taken" d="M0 ${HEIGHT - 1}${line}H${end}V${HEIGHT - 1}Z" /></svg>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
