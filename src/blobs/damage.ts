import { stat } from 'node:fs/promises'

/** The kind of damage of a blob. */
export type Damage = 'missing' | 'of another size' | 'unreadable' | 'of other bytes'

/** What is known about a blob without reading it. */
export interface Look {
  readonly damage: Damage | undefined
  /** Changes if the file is replaced or written. */
  readonly identity: string
}

/** Errors of the process or the machine, not of the file. A retry may succeed. */
const PASSING: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR', 'EBUSY']

/**
 * Checks the file of a blob against its size without reading it. Only ENOENT means that it is missing; other errors of
 * the file make it unreadable. Rejects with errors of the process, for example EMFILE.
 */
export async function look(path: string, sizeBytes: number): Promise<Look> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return {
      damage: size === BigInt(sizeBytes) ? undefined : 'of another size',
      identity: [dev, ino, size, mtimeNs, ctimeNs].join(':'),
    }
  } catch (error) {
    const damage = damageOf(error)
    if (damage === undefined) throw error
    return { damage, identity: damage }
  }
}

/** The damage that a system error implies; `undefined` if the error is not about the file. */
export function damageOf(error: unknown): Damage | undefined {
  if (
    !(error instanceof Error && 'code' in error && typeof error.code === 'string') ||
    PASSING.includes(error.code)
  )
    return undefined
  if (error.code === 'ENOENT') return 'missing'
  if (error.code === FILE_ENDS) return 'of another size'
  return /^E[A-Z0-9]+$/.test(error.code) ? 'unreadable' : undefined
}

const FILE_ENDS = 'FILE_ENDS'

/** The error of a reader that reaches the end of a file too early. */
export function endsBefore(path: string, byte: number): Error {
  return Object.assign(new Error(`${path} ends before byte ${byte}`), { code: FILE_ENDS })
}
