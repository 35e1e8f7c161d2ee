import { join } from 'node:path'
import { stringify } from 'yaml'
import type { DepotClient } from '../../../client/client.ts'
import type { DesiredGates, DesiredState, DesiredView, Gates, View } from '../../../client/operations.ts'
import { counted } from '../../../text/counted.ts'
import { SEVERAL, collect, examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import { pathOf } from '../../io.ts'
import { exportBulkUpload } from '../releases/bulk-upload.ts'
import { connect, remoteOptions } from '../connect.ts'

const UNSTABLE = 'unstable'
const USUAL_TARGET = 'x86_64-linux'

/** Writes views in the form that `plan -f` and `apply -f` read. */
export const exportViews: Define = (command, io) =>
  remoteOptions(command)
    .argument('[views...]', 'only these views; the default is all but previews')
    .option('--contents', 'also write what is latest in each view')
    .option('--bulkupload <folder>', 'instead, write packages to a folder for hab pkg bulkupload')
    .option('--origin <origin>', `with --bulkupload: the origin to write; ${SEVERAL}`, collect)
    .addHelpText(
      'after',
      examples([
        ['export > views.yml', 'write the rules and gates of all views'],
        ['export delivered --contents > delivered.yml', 'write a view with what is latest in it'],
        [
          'export --bulkupload acme-packages --origin acme',
          'write what a Builder needs to take over an origin',
        ],
      ]),
    )
    .action(async (names, options) => {
      const { depot, out } = connect(io, options)
      if (options.bulkupload !== undefined) {
        if (names.length > 0 || options.contents === true)
          throw new UsageError('--bulkupload writes all views: name none, and leave out --contents')
        const folder = pathOf(io, options.bulkupload)
        const done = await exportBulkUpload(
          { depot, io, out, quiet: options.quiet },
          { folder, origins: options.origin ?? [] },
        )
        const { keys, packages, present, promotions } = done
        out.show(done, {
          whole: () =>
            `${folder} has ${counted(keys, 'key')}, ${counted(packages, 'package')} (${present} were there), and ${counted(promotions, 'promotion')}.\nSend them: hab pkg bulkupload --auto-create-origins ${folder}, and then ${join(folder, 'promotions.sh')}`,
        })
        return
      }
      if (options.origin !== undefined) throw new UsageError('--origin needs --bulkupload')
      const wanted =
        names.length > 0
          ? await Promise.all(names.map(async (view) => depot.getView({ view })))
          : await Array.fromAsync(depot.each('listViews', {}))
      const views: DesiredState['views'] = {}
      for (const { name } of wanted) {
        const described = await describe(depot, name, options.contents === true)
        if (described !== undefined) views[name] = described
        else if (names.length > 0) out.note(`${name} is a preview, and is left out.`)
      }
      out.show({ views }, { whole: () => stringify({ views }).trimEnd(), brief: () => Object.keys(views) })
    })

/** Describes a view. Returns `undefined` for a preview, which follows its view. */
async function describe(
  depot: DepotClient,
  name: View['name'],
  hasContents: boolean,
): Promise<DesiredView | undefined> {
  const { preview_of, closed_at, rule, ungoverned, revision } = await depot.getView({ view: name })
  if (preview_of !== null) return undefined
  if (closed_at !== null) return { closed: true }
  const settings = { rule, ungoverned }
  if (name === UNSTABLE) return settings // it has no gates, and always contains every release
  const gates = gatesOf(await depot.getGates({ view: name }))
  if (!hasContents) return { ...settings, gates }
  const contents = await Array.fromAsync(depot.each('listContent', { view: name, at: String(revision) }))
  return {
    ...settings,
    gates,
    contents: contents.map(({ ident, target }) => (target === USUAL_TARGET ? ident : { ident, target })),
  }
}

/** Returns the gates that a view has; absent ones are left out. */
function gatesOf({
  view: _view,
  frozen: _frozen,
  freezes: _freezes,
  requires,
  ...others
}: Gates): DesiredGates {
  const set = Object.entries(others).filter(([, value]) => value !== null)
  return { ...(requires.length > 0 && { requires }), ...Object.fromEntries(set) }
}
