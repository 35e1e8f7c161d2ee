import { counted } from '../../../text/counted.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { printable, wholeSeconds } from '../../../text/columns.ts'
import { checkRule, packageFilterOf, splitMoment } from '../arguments.ts'
import { confirm, shouldAsk } from '../confirm.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'

export const views: Define = (command, io) =>
  remoteOptions(command)
    .addHelpText(
      'after',
      examples([
        ['views', 'list the views of the depot'],
        ['views --quiet', 'print only their names'],
      ]),
    )
    .action(async (options) => {
      const { depot, out } = connect(io, options)
      const list = await Array.fromAsync(depot.each('listViews', {}))
      out.show(list, {
        whole: () =>
          out.table(
            ['VIEW', 'RULE', 'REVISION', 'CREATED'],
            list.map(({ name, rule, revision, created_at }) => [name, rule, String(revision), created_at]),
          ),
        brief: () => list.map(({ name }) => name),
      })
    })

export const view: Define = (command, io) =>
  remoteOptions(command)
    .argument('<view>', 'VIEW, or VIEW@REVISION or VIEW@TIME for the past')
    .option('--origin <origin>', 'only packages of this origin')
    .option('--name <name>', 'only packages of this name')
    .addHelpText(
      'after',
      examples([
        ['view delivered', 'show what is latest in a view'],
        ['view delivered@2026-01-02T08:00:00Z --origin acme', 'show what was latest at a time'],
        ['view delivered --quiet', 'print only the idents'],
      ]),
    )
    .action(async (given, { origin, name, ...options }) => {
      const { depot, out } = connect(io, options)
      const { view: viewName, at } = splitMoment(given)
      const input = { view: viewName, ...(at !== undefined && { at }), ...packageFilterOf({ origin, name }) }
      const detail = await depot.getView({ view: input.view })
      const first = await depot.listContent(input)
      // All pages show the revision of the first one.
      const pointers =
        first.next === null
          ? first.pointers
          : await Array.fromAsync(depot.each('listContent', { ...input, at: String(first.revision) }))
      out.show(
        { ...first, pointers, next: null },
        {
          whole: () =>
            [
              `${input.view}${detail.closed_at === null ? '' : `, closed ${wholeSeconds(detail.closed_at)},`} at revision ${first.revision}${first.at === null ? '' : ` of ${wholeSeconds(first.at)}`}, rule ${detail.rule}`,
              ...(detail.frozen === null
                ? []
                : [out.style('yellow', `frozen now: ${printable(detail.frozen.reason)}`)]),
              out.table(
                ['LATEST', 'TARGET', 'SINCE REVISION', 'SINCE', 'MARKS'],
                pointers.map(({ ident, target, since_revision, since, yank, deprecation }) => [
                  ident,
                  target,
                  String(since_revision),
                  since,
                  [yank === null ? '' : 'yanked', deprecation === null ? '' : 'deprecated'].join(' ').trim(),
                ]),
              ),
            ].join('\n'),
          brief: () => pointers.map(({ ident }) => ident),
        },
      )
    })

export const viewCreate: Define = (command, io) =>
  remoteOptions(command)
    .argument('<name>', 'the name of the new view')
    .option('--rule <rule>', 'what latest means: promoted (the release promoted last) or highest', 'promoted')
    .addHelpText(
      'after',
      examples([
        ['view create canary', 'create an empty view'],
        ['view create nightly --rule highest', 'create a view in which latest is the highest version'],
      ]),
    )
    .action(async (name, { rule, ...options }) => {
      const body = { name, rule: checkRule(rule) }
      const { depot, out } = connectToChange(io, options)
      const created = await depot.createView({ body })
      out.show(created, {
        whole: () => `Created the view ${name}: ${depot.url}/v1/depot/views/${encodeURIComponent(name)}`,
        brief: () => [created.name],
      })
    })

export const viewClose: Define = (command, io) =>
  remoteOptions(command)
    .argument('<name>', 'the view')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      examples([
        ['view close delivered.tomorrow', 'close a preview; its history is kept'],
        ['view close delivered.tomorrow --yes', 'close it without a question'],
      ]),
    )
    .action(async (name, options) => {
      const { depot, out } = connectToChange(io, options)
      const detail = await depot.getView({ view: name })
      if (shouldAsk(io, options))
        await confirm(io, `Close ${name}, which has ${counted(detail.packages, 'package')}?`)
      await depot.deleteView({ view: name })
      out.show({ closed: name }, { whole: () => `Closed the view ${name}.` })
    })
