import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit } from '../../exit-codes.ts'
import { confirm, shouldAsk } from '../confirm.ts'
import { connectToChange, remoteOptions } from '../connect.ts'
import { IDENT, TARGET, releaseOf, whyText } from './releases.ts'

export const deleteRelease: Define = (command, io) =>
  remoteOptions(command)
    .argument('<ident>', IDENT)
    .option('--target <target>', TARGET)
    .option('--yes', 'do not ask first')
    .addHelpText(
      'after',
      `${examples([
        ['delete acme/app/1.2.0/20260101120000', 'say which views lose a release, ask, and delete it'],
        ['delete acme/app/1.2.0/20260101120000 --target x86_64-windows --yes', 'for one target'],
      ])}

hart-depot why shows what keeps a release from being deleted. A yank takes a release away from latest, and can be undone.`,
    )
    .action(async (ident, { target, yes, ...options }) => {
      const { depot, out } = connectToChange(io, options)
      const found = await depot.explainRelease(releaseOf(ident, target))
      if (found.kept_by.length > 0) throw new Exit(EXIT.refused, whyText(found))
      const name = `${found.ident} (${found.target})`
      const views = found.views.map(({ view }) => view)
      const places = views.length === 0 ? 'It is in no view.' : `It leaves ${views.join(', ')}.`
      if (shouldAsk(io, { yes })) await confirm(io, `${places} Delete ${name}? This cannot be undone.`)
      await depot.deleteRelease(releaseOf(ident, found.target))
      out.show(
        { ident: found.ident, target: found.target },
        { whole: () => `${name} is deleted.`, brief: () => [found.ident] },
      )
    })
