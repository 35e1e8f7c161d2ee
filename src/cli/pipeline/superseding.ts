import type { Change } from '../../client/operations.ts'
import { EXIT, Exit } from '../exit-codes.ts'
import { explain } from '../failure.ts'
import type { Connected } from '../remote/connect.ts'

/** Returns the error for a phase that ends because a newer change has taken the place of its change. */
export function supersededBy({ change, project }: Change, newer: Pick<Change, 'change'>): Exit {
  return new Exit(
    EXIT.refused,
    `change ${change} of ${project} was superseded by the newer change ${newer.change}, which a view has in its place`,
  )
}

interface Watch extends AsyncDisposable {
  /** Aborted with {@link supersededBy}. */
  readonly signal: AbortSignal
}

/** Watches until a newer change takes the place of this one. The caller must dispose of the watch. */
export function watchSuperseding({ depot, out }: Connected, change: Change): Watch {
  const superseded = new AbortController()
  const over = new AbortController()
  const { signal } = over
  const look = async () => {
    const { superseded_by: newer } = await depot.getChange({ id: change.id }, { signal })
    if (newer !== null)
      superseded.abort(supersededBy(change, await depot.getChange({ id: newer }, { signal })))
    return newer !== null
  }
  const watch = async () => {
    const { position } = await depot.getLedgerHead({ signal })
    if (await look()) return
    for await (const _ of depot.follow({ kind: 'promotion', after: position, signal }))
      if (await look()) return
  }
  const watching = watch().catch((error: unknown) => {
    if (!signal.aborted) out.note(`Newer changes are not noticed: ${explain(error)}`)
  })
  return {
    signal: superseded.signal,
    async [Symbol.asyncDispose]() {
      over.abort()
      await watching
    },
  }
}
