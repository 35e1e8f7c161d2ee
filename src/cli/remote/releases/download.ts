import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hartFileName, parseIdent } from '../../../package/ident.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { pathOf } from '../../io.ts'
import { connect, remoteOptions } from '../connect.ts'
import { PARTIAL_IDENT, findRelease } from './releases.ts'
import { transferProgress } from './transfer-progress.ts'

export const download: Define = (command, io) =>
  remoteOptions(command)
    .argument('<ident>', PARTIAL_IDENT)
    .argument('[file]', 'where to write it; a file or a folder, and by default the folder you are in')
    .option(
      '--target <target>',
      'the target, for example x86_64-linux; the default is the usual or the only one',
    )
    .option(
      '--key <file>',
      "the public key that must have signed it; the default is the depot's copy of that key",
    )
    .addHelpText(
      'after',
      examples([
        [
          'download acme/app/1.2.0/20260101120000',
          'download a package, or continue a download that broke off',
        ],
        [
          'download acme/app/1.2.0/20260101120000 app.hart --key acme-20250101000000.pub',
          'accept only a package that was signed with your own copy of the key',
        ],
      ]),
    )
    .action(async (given, path, options) => {
      const { depot, out } = connect(io, options)
      const key = options.key === undefined ? undefined : await readFile(pathOf(io, options.key), 'utf8')
      const asked = await findRelease({ depot, out }, given, options.target)
      const release = await depot.getStoredRelease(asked, { signal: io.signal })
      const { ident } = release
      const name = hartFileName(parseIdent(ident), release.target)
      const place = pathOf(io, path ?? '.')
      const file = (await isFolder(place)) ? join(place, name) : place
      const progress = transferProgress(io, options, { name, totalBytes: release.size_bytes })
      try {
        await depot.downloadFile({ ...asked, target: release.target }, file, {
          key,
          signal: io.signal,
          onProgress: (bytes) => progress.show(bytes),
        })
      } finally {
        progress.end()
      }
      const { checksum, size_bytes, signer } = release
      out.show(
        { ident, target: release.target, file, checksum, size_bytes, signer },
        {
          whole: () => `${file} is ${ident}: its checksum and the signature of ${signer} are right.`,
          brief: () => [file],
        },
      )
    })

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
