import { widthOf } from '../../io.ts'
import type { Io } from '../../io.ts'

const BAR_COLUMNS = 20
/** The columns of the percentage, the spaces around it and the cursor. */
const PERCENT_COLUMNS = 9
const MAX_NAME_COLUMNS = 60

/** Shows how much of a file has been transferred. */
export interface TransferProgress {
  show(bytes: number): void
  /** Clears the line. */
  end(): void
}

/**
 * Makes a progress bar in one line of stderr. Shows nothing if stderr is not a terminal, or with `--quiet`.
 */
export function transferProgress(
  { stderr }: Io,
  { quiet }: { readonly quiet?: boolean | undefined },
  { name, totalBytes }: { readonly name: string; readonly totalBytes: number },
): TransferProgress {
  if (stderr.isTTY !== true || quiet === true) return { show: () => undefined, end: () => undefined }
  let shown = -1
  return {
    show(bytes) {
      const percent = totalBytes === 0 ? 100 : Math.min(100, Math.floor((bytes / totalBytes) * 100))
      if (percent === shown) return
      shown = percent
      const filled = Math.round((percent / 100) * BAR_COLUMNS)
      const room = Math.min(MAX_NAME_COLUMNS, widthOf(stderr) - BAR_COLUMNS - PERCENT_COLUMNS)
      const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_COLUMNS - filled)}`
      stderr.write(`\r${bar} ${String(percent).padStart(3)} % ${name.slice(0, room)}\u001B[K`)
    },
    end: () => void stderr.write('\r\u001B[K'),
  }
}
