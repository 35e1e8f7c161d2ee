import type { Command } from '@commander-js/extra-typings'
import type { Deliveries, NewWebhook, Webhook } from '../../../client/operations.ts'
import { counted } from '../../../text/counted.ts'
import { wholeSeconds } from '../../../text/columns.ts'
import { SEVERAL, collect, examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit, UsageError } from '../../exit-codes.ts'
import type { Output } from '../../output.ts'
import { wholeNumber } from '../arguments.ts'
import { expectNamesExist } from '../expect-names-exist.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'

type Filter = NonNullable<NewWebhook['filter']>

const MAX_SHOWN_ANSWER = 60
const USUAL_DELIVERIES = 50

export const webhookList: Define = (command, io) =>
  remoteOptions(command)
    .addHelpText(
      'after',
      examples([
        ['webhook list', 'list the webhooks, and how far each is'],
        ['webhook list --quiet', 'print only their names'],
      ]),
    )
    .action(async (options) => {
      const { depot, out } = connect(io, options)
      const list = await Array.fromAsync(depot.each('listWebhooks', {}))
      out.show(list, {
        whole: () =>
          out.table(
            ['WEBHOOK', 'STATE', 'BEHIND', 'ONLY FOR', 'URL'],
            list.map((webhook) => [
              webhook.name,
              stateOf(webhook),
              String(webhook.behind),
              filterText(webhook.filter),
              webhook.url ?? '',
            ]),
          ),
        brief: () => list.map(({ name }) => name),
      })
    })

export const webhookAdd: Define = (command, io) =>
  filterOptions(remoteOptions(command).argument('<name>', 'its name').argument('<url>', 'the receiver'))
    .option('--after <sequence>', 'also send the entries after this one, 0 for all', (text) =>
      wholeNumber(text, '--after'),
    )
    .addHelpText(
      'after',
      examples([
        [
          'webhook add deploys https://chat.example/hooks/depot --kind promotion --view delivered',
          'tell a chat of every change of a view',
        ],
        ['webhook add audit https://audit.example/ --after 0 > secret.txt', 'send the whole ledger'],
      ]),
    )
    .action(async (name, url, options) => {
      const { depot, out } = connectToChange(io, options)
      const { after } = options
      await expectNamesExist(depot, filterOf(options)) // a misspelled name would match no entry, in silence
      const made = await depot.createWebhook({
        body: { name, url, filter: filterOf(options), ...(after !== undefined && { after }) },
      })
      out.note(`Added the webhook ${name}. It signs with this secret, which is shown only now:`)
      out.show(made, { whole: () => made.secret, brief: () => [made.secret] })
    })

export const webhookShow: Define = (command, io) =>
  remoteOptions(command)
    .argument('<name>', 'the webhook')
    .addHelpText(
      'after',
      examples([
        ['webhook show deploys', 'show what a webhook sends, how far it is, and what keeps it'],
        ['webhook show deploys --json', 'print it as JSON'],
      ]),
    )
    .action(async (name, options) => {
      const { depot, out } = connect(io, options)
      showWebhook(out, await depot.getWebhook({ webhook: name }))
    })

export const webhookChange: Define = (command, io) =>
  filterOptions(remoteOptions(command).argument('<name>', 'the webhook'))
    .option('--to <url>', 'another receiver')
    .option('--everything', 'send all entries from now on')
    .addHelpText(
      'after',
      examples([
        ['webhook change deploys --to https://chat.example/hooks/new', 'send to another receiver'],
        ['webhook change deploys --view union,delivered', 'replace the filter'],
      ]),
    )
    .action(async (name, options) => {
      const { depot, out } = connectToChange(io, options)
      const filter = filterOf(options)
      const hasFilter = Object.keys(filter).length > 0
      if (hasFilter && options.everything === true)
        throw new UsageError('--everything excludes --view, --origin and --kind')
      if (!hasFilter && options.everything !== true && options.to === undefined)
        throw new UsageError('nothing to change: give --to, --everything, --view, --origin or --kind')
      await expectNamesExist(depot, filter)
      const changed = await depot.changeWebhook({
        webhook: name,
        body: {
          ...(options.to !== undefined && { url: options.to }),
          ...((hasFilter || options.everything === true) && { filter }),
        },
      })
      showWebhook(out, changed)
    })

export const webhookPause: Define = (command, io) =>
  remoteOptions(command)
    .argument('<name>', 'the webhook')
    .addHelpText(
      'after',
      examples([
        ['webhook pause deploys', 'send nothing until it is resumed; no entry is lost'],
        ['webhook pause deploys --quiet', 'do so and print nothing'],
      ]),
    )
    .action(async (name, options) => {
      const { depot, out } = connectToChange(io, options)
      const changed = await depot.changeWebhook({ webhook: name, body: { paused: true } })
      out.show(changed, { whole: () => `paused ${name} after the entry ${changed.position}` })
    })

export const webhookResume: Define = (command, io) =>
  remoteOptions(command)
    .argument('<name>', 'the webhook')
    .addHelpText(
      'after',
      examples([
        ['webhook resume deploys', 'continue with the entry at which it was paused'],
        ['webhook resume deploys --quiet', 'do so and print nothing'],
      ]),
    )
    .action(async (name, options) => {
      const { depot, out } = connectToChange(io, options)
      const changed = await depot.changeWebhook({ webhook: name, body: { paused: false } })
      out.show(changed, {
        whole: () =>
          `resumed ${name}, which is ${counted(changed.behind, 'entry', 'entries')} behind the ledger`,
      })
    })

export const webhookDelete: Define = (command, io) =>
  remoteOptions(command)
    .argument('<name>', 'the webhook')
    .addHelpText(
      'after',
      examples([
        ['webhook delete deploys', 'stop its deliveries for good'],
        ['webhook delete deploys --profile staging', 'do so in another depot'],
      ]),
    )
    .action(async (name, options) => {
      const { depot, out } = connectToChange(io, options)
      await depot.deleteWebhook({ webhook: name })
      out.show({ name, deleted: true }, { whole: () => `deleted the webhook ${name}` })
    })

export const webhookDeliveries: Define = (command, io) =>
  remoteOptions(command)
    .argument('<name>', 'the webhook')
    .option('--count <n>', 'how many attempts; the depot remembers 1,000', String(USUAL_DELIVERIES))
    .addHelpText(
      'after',
      examples([
        ['webhook deliveries deploys', 'list the last attempts, newest first'],
        ['webhook deliveries deploys --count 1000 --json', 'print all that the depot remembers'],
      ]),
    )
    .action(async (name, options) => {
      const { depot, out } = connect(io, options)
      const count = wholeNumber(options.count, '--count')
      const list: Deliveries['deliveries'] = []
      if (count > 0)
        for await (const delivery of depot.each('listDeliveries', { webhook: name })) {
          list.push(delivery)
          if (list.length === count) break
        }
      out.show(list, {
        whole: () =>
          out.table(
            ['AT', 'SEQUENCE', 'ATTEMPT', 'STATUS', 'MS', 'OUTCOME', 'ANSWER'],
            list.map(({ at, sequence, attempt, status, duration_ms: ms, error, answer }) => [
              at,
              String(sequence),
              String(attempt),
              status === null ? '' : String(status),
              String(ms),
              error ?? 'accepted',
              answer.slice(0, MAX_SHOWN_ANSWER),
            ]),
          ),
        brief: () => list.map(({ id }) => id),
      })
    })

export const webhookRedeliver: Define = (command, io) =>
  remoteOptions(command)
    .argument('<name>', 'the webhook')
    .argument('<from>', 'the sequence number of the first entry', (text) => wholeNumber(text, 'FROM'))
    .argument('[to]', 'that of the last one; the default is the last one that was delivered', (text) =>
      wholeNumber(text, 'TO'),
    )
    .addHelpText(
      'after',
      examples([
        ['webhook redeliver deploys 812', 'send an entry and all later ones again'],
        ['webhook redeliver deploys 800 812', 'send some entries again, before new ones'],
      ]),
    )
    .action(async (name, from, to, options) => {
      const { depot, out } = connectToChange(io, options)
      const body = { from, ...(to !== undefined && { to }) }
      const changed = await depot.replayWebhook({ webhook: name, body })
      out.show(changed, {
        whole: () =>
          `${name} delivers the entries ${from} to ${changed.replay?.to ?? changed.position} that its filter matches, and then new ones`,
      })
    })

export const webhookPing: Define = (command, io) =>
  remoteOptions(command)
    .argument('<name>', 'the webhook')
    .addHelpText(
      'after',
      examples([
        ['webhook ping deploys', 'send a test message at once, even if the webhook is paused'],
        ['webhook ping deploys --quiet', 'print nothing; the exit code is 1 if the receiver refuses it'],
      ]),
    )
    .action(async (name, options) => {
      const { depot, out } = connectToChange(io, options)
      const ping = await depot.pingWebhook({ webhook: name })
      const { accepted, status, error, duration_ms: ms } = ping
      out.show(ping, {
        whole: () => (accepted ? `${name} accepted the message with ${status} after ${ms} ms` : ''),
      })
      if (!accepted) throw new Exit(EXIT.failed, `${name} did not accept the message: ${error ?? status}`)
    })

export const webhookNewSecret: Define = (command, io) =>
  remoteOptions(command)
    .argument('<name>', 'the webhook')
    .addHelpText(
      'after',
      examples([
        ['webhook new-secret deploys > secret.txt', 'replace its secret; for a day, the old one signs, too'],
        ['webhook new-secret deploys --json', 'print it with the time at which the old one ends'],
      ]),
    )
    .action(async (name, options) => {
      const { depot, out } = connectToChange(io, options)
      const made = await depot.createWebhookSecret({ webhook: name })
      out.note(
        `Until ${made.previous_secret_until}, the old secret also signs. The new one is shown only now:`,
      )
      out.show(made, { whole: () => made.secret, brief: () => [made.secret] })
    })

function filterOptions<Args extends unknown[], Options extends Record<string, unknown>>(
  command: Command<Args, Options>,
) {
  return command
    .option('--view <view>', `only entries about this view; ${SEVERAL}`, collect)
    .option('--origin <origin>', `only entries about this origin and its packages; ${SEVERAL}`, collect)
    .option('--kind <kind>', `only entries of this kind, such as promotion; ${SEVERAL}`, collect)
}

function filterOf(options: {
  view?: string[] | undefined
  origin?: string[] | undefined
  kind?: string[] | undefined
}): Filter {
  const { view: views, origin: origins, kind: kinds } = options
  return {
    ...(views !== undefined && { views }),
    ...(origins !== undefined && { origins }),
    ...(kinds !== undefined && { kinds: kinds as NonNullable<Filter['kinds']> }), // the depot checks them
  }
}

function showWebhook(out: Output, webhook: Webhook): void {
  const { name, url, filter, position, behind, replay, attempts, next_attempt_at: next } = webhook
  out.show(webhook, {
    whole: () =>
      [
        `${name} sends ${filterText(filter) === '' ? 'every entry' : `entries about ${filterText(filter)}`} to ${url ?? 'a URL that this depot cannot decrypt'}.`,
        `It is ${stateOf(webhook)}, at the entry ${position}, ${behind} behind the ledger.`,
        ...(replay === null ? [] : [`It delivers the entries ${replay.next} to ${replay.to} again first.`]),
        ...(attempts === 0
          ? []
          : [
              `${counted(attempts, 'attempt')} at the next entry failed${next === null ? '' : `; the next one is at ${next}`}.`,
            ]),
      ].join('\n'),
    brief: () => [name],
  })
}

const WHY_PAUSED = {
  asked: 'by an administrator',
  failing: 'because it failed for more than five days',
  gone: 'because the receiver answered 410',
}

function stateOf({ state, paused, failing_since: failing }: Webhook): string {
  if (paused !== null) return `paused since ${wholeSeconds(paused.since)} ${WHY_PAUSED[paused.why]}`
  return failing === null ? state : `${state} since ${wholeSeconds(failing)}`
}

function filterText({ views = [], origins = [], kinds = [] }: Webhook['filter']): string {
  return [
    ...(views.length > 0 ? [`views ${views.join(',')}`] : []),
    ...(origins.length > 0 ? [`origins ${origins.join(',')}`] : []),
    ...(kinds.length > 0 ? [`kinds ${kinds.join(',')}`] : []),
  ].join('; ')
}
