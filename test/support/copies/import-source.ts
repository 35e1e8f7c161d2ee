import { ask } from '../ask.ts'
import type { BuiltHart } from '../build-hart.ts'
import { bearer, makeOrigin, promoteTo, publishAll } from '../origin.ts'
import { furnished } from '../start-depot.ts'
import type { TestDepot } from '../start-depot.ts'

export const APP = 'acme/app/1.0.0/20260101120000'
export const NEWER = 'acme/app/1.10.0/20260103120000'
export const LIB = 'acme/lib/2.0.0/20260101120000'
export const TOOL = 'tools/tool/3.0.0/20260101120000'

type Teardown = Parameters<typeof start>[0]

const start = furnished(async (source) => {
  await makeOrigin(source, 'acme')
  await makeOrigin(source, 'tools')
  const harts = await publishAll(
    source,
    APP,
    { ident: APP, target: 'aarch64-linux' },
    NEWER,
    { ident: LIB, target: 'aarch64-linux' },
    TOOL,
  )
  await declare(source, 'acme', 'nightly')
  await declare(source, 'tools', 'empty')
  const [app, arm, newer, , tool] = harts
  for (const [channel, hart] of [
    ['nightly', app],
    ['stable', arm],
    ['stable', newer],
    ['acceptance', newer],
    ['acceptance', app],
    ['stable', tool],
  ] as const) {
    if (hart !== undefined) await promoteTo(source, channel, hart)
  }
  return harts
})

/**
 * Starts a depot with two origins, whose packages have several targets and are in declared and built-in
 * channels.
 */
export async function startSource(t: Teardown): Promise<{ source: TestDepot; harts: BuiltHart[] }> {
  const { started: source, made: harts } = await start(t)
  return { source, harts }
}

export async function declare({ url }: TestDepot, origin: string, channel: string): Promise<number> {
  return (await ask(`${url}/v1/depot/channels/${origin}/${channel}`, { method: 'POST', headers: bearer() }))
    .status
}
