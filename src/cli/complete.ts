import type { Argument, Command, Option } from 'commander'
import type { DepotClient } from '../client/client.ts'
import { TARGETS } from '../package/target.ts'
import { makeCommand } from './command.ts'
import type { Io } from './io.ts'
import { ENTRIES } from './program/program.ts'
import { makeClient } from './remote/connect.ts'
import { findTarget, readProfiles } from './remote/accounts/profiles.ts'

/** A word that can stand at the cursor. */
interface Candidate {
  readonly text: string
  readonly description?: string
}

/** How long the depot may take to answer. A person waits at the prompt. */
const MAX_WAIT_MS = 1_500
const MAX_CANDIDATES = 200
const ROLES = ['readonly_member', 'member', 'maintainer', 'administrator']

/** Prints the candidates for the last word, one in a line, with a tab before the description. */
export async function printCandidates(words: readonly string[], io: Io): Promise<void> {
  const found = await complete(words[0] === '--' ? words.slice(1) : words, io)
  for (const { text, description } of found.slice(0, MAX_CANDIDATES))
    io.stdout.write(description === undefined ? `${text}\n` : `${text}\t${description}\n`)
}

/**
 * Finds what may complete the last word of a command line, which may be empty. Asks the depot for names that
 * only it knows, and finds none if it does not answer in time. The result is also empty where a file is
 * expected.
 */
export async function complete(words: readonly string[], io: Io): Promise<Candidate[]> {
  const [before, current] = [words.slice(0, -1), words.at(-1) ?? '']
  // bash splits `--option=value` into three words.
  const last = before.at(-1) === '=' ? before.at(-2) : before.at(-1)
  const entry = ENTRIES.find(({ name }) => name.split(' ').every((word, index) => word === before[index]))
  if (entry === undefined) return startingWith(current, commandsAfter(before))
  let command = makeCommand(entry.name, entry.summary, io)
  const define = await entry.load(true)
  // The typed package declares the same class a second time.
  define(command as unknown as Parameters<typeof define>[0], io)
  let given = before.slice(entry.name.split(' ').length)
  const inner = command.commands.find((each) => each.name() === given[0])
  if (inner !== undefined) [command, given] = [inner, given.slice(1)]

  const own = command.options
  const values = async (of: Option | Argument, begun: string) =>
    startingWith(begun, await valuesOf(of, entry.name, begun, io, words))
  const pending = own.find(({ required, short, long }) => required && (last === short || last === long))
  if (pending !== undefined) return values(pending, current)
  const [, long = '', begun] = /^(--[\w-]+)=(.*)$/.exec(current) ?? []
  const inline = own.find((option) => option.long === long)
  if (inline !== undefined && begun !== undefined)
    return (await values(inline, begun)).map(({ text, ...more }) => ({ ...more, text: `${long}=${text}` }))
  if (current.startsWith('-')) return startingWith(current, optionNames(own))
  if (command.commands.length > 0) return startingWith(current, commandNames(command))
  const argument = argumentAt(command, positionalsOf(given, own).length)
  return argument === undefined ? [] : values(argument, current)
}

function optionNames(options: readonly Option[]): Candidate[] {
  return options.flatMap(({ long, description }) => (long === undefined ? [] : [{ text: long, description }]))
}

function commandNames({ commands }: Command): Candidate[] {
  return commands.map((each) => ({ text: each.name(), description: each.description() }))
}

function startingWith(begun: string, candidates: readonly Candidate[]): Candidate[] {
  return candidates.filter(({ text }) => text.startsWith(begun))
}

/** Returns the words that can follow these in the name of a command. A group has no description. */
function commandsAfter(before: readonly string[]): Candidate[] {
  const found = new Map<string, Candidate>()
  for (const { name, summary } of ENTRIES) {
    const parts = name.split(' ')
    if (parts.length <= before.length || !before.every((word, index) => word === parts[index])) continue
    const text = parts[before.length] ?? ''
    if (parts.length === before.length + 1) found.set(text, { text, description: summary })
    else if (!found.has(text)) found.set(text, { text })
  }
  return [...found.values()]
}

/** Returns the words that are neither options nor their values. */
function positionalsOf(given: readonly string[], options: readonly Option[]): string[] {
  const found: string[] = []
  let isValue = false
  for (const word of given) {
    if (isValue) isValue = false
    else if (word.startsWith('-'))
      isValue = options.some(({ required, short, long }) => required && (word === short || word === long))
    else found.push(word)
  }
  return found
}

function argumentAt(command: Command, index: number): Argument | undefined {
  const known = command.registeredArguments
  const last = known.at(-1)
  return known[index] ?? (last?.variadic === true ? last : undefined)
}

/** Finds the values of an option or an argument. The name of its value tells what they are. */
async function valuesOf(
  what: Option | Argument,
  command: string,
  begun: string,
  io: Io,
  words: readonly string[],
): Promise<Candidate[]> {
  if (what.argChoices !== undefined) return texts(what.argChoices)
  const name = 'flags' in what ? (/<([\w-]+)/.exec(what.flags)?.[1] ?? '') : what.name()
  const isProfile = 'flags' in what && what.long === '--profile'
  if (isProfile) return texts(Object.keys(readProfiles(io).profiles))
  const fixed = FIXED[name]
  if (fixed !== undefined) return texts(fixed)
  const ask = ASKS[name === 'name' ? (NAMED_BY[command.split(' ')[0] ?? ''] ?? '') : name]
  if (ask === undefined) return []
  try {
    const depot = makeClient(io, findTarget(io, targetIn(words)), { retries: 0 })
    const signal = AbortSignal.timeout(MAX_WAIT_MS)
    return await ask(depot, begun, { signal }).finally(() => depot.close())
  } catch {
    return [] // a prompt is no place for errors
  }
}

function texts(list: readonly string[]): Candidate[] {
  return list.map((text) => ({ text }))
}

/** Returns the depot that a command line names. */
function targetIn(words: readonly string[]): { url?: string; profile?: string } {
  const after = (option: string) => {
    const index = words.indexOf(option)
    return index === -1 || index >= words.length - 2 ? undefined : words[index + 1]
  }
  const [url, profile] = [after('--url'), after('--profile')]
  return { ...(url !== undefined && { url }), ...(profile !== undefined && { profile }) }
}

const FIXED: Readonly<Record<string, readonly string[]>> = {
  target: TARGETS,
  rule: ['promoted', 'highest'],
  role: ROLES,
  action: ['read', 'upload', 'promote', 'manage'],
  visibility: ['public', 'private', 'hidden'],
}

/** What `<name>` means in a group of commands. */
const NAMED_BY: Readonly<Record<string, string>> = {
  account: 'account',
  token: 'account',
  webhook: 'webhook',
  view: 'view',
}

type Ask = (depot: DepotClient, begun: string, options: { signal: AbortSignal }) => Promise<Candidate[]>

const views: Ask = async (depot, _begun, options) => {
  const list = await upTo(depot.each('listViews', {}, options))
  return list.map(({ name, rule }) => ({ text: name, description: `${rule} view` }))
}

const origins: Ask = async (depot, _begun, options) => {
  const list = await upTo(depot.each('listOrigins', {}, options))
  return list.map(({ name, owner }) => ({ text: name, description: `of ${owner}` }))
}

const accounts: Ask = async (depot, _begun, options) => {
  const list = await upTo(depot.each('listAccounts', {}, options))
  return texts(list.map(({ account }) => account))
}

const webhooks: Ask = async (depot, _begun, options) => {
  const list = await upTo(depot.each('listWebhooks', {}, options))
  return list.map(({ name, state }) => ({ text: name, description: state }))
}

const proposals: Ask = async (depot, _begun, options) => {
  const found: Candidate[] = []
  for (const { text: view } of await views(depot, '', options))
    for (const { plan, act } of await upTo(depot.each('listProposals', { view }, options)))
      found.push({ text: plan, description: `${act} ${view}` })
  return found
}

/** An ident is completed part by part, up to a package, and then with its releases. */
const idents: Ask = async (depot, begun, options) => {
  const [origin = '', name, ...more] = begun.split('/')
  if (name === undefined)
    return (await origins(depot, begun, options)).map(({ text }) => ({ text: `${text}/` }))
  if (more.length === 0) {
    const list = await upTo(depot.each('listPackages', { origin }, options))
    return texts(list.map((each) => `${each.package}/`))
  }
  const list = await upTo(depot.each('listReleases', { origin, name }, options))
  return texts([...new Set(list.map(({ ident }) => ident))])
}

const packages: Ask = async (depot, begun, options) =>
  (await idents(depot, begun.split('/').slice(0, 2).join('/'), options)).map(({ text }) => ({
    text: text.split('/').length > 2 ? text.replace(/\/$/, '') : text,
  }))

const both: Ask = async (depot, begun, options) => [
  ...(begun.includes('/') ? [] : await views(depot, begun, options)),
  ...(await idents(depot, begun, options)),
]

/** How to ask the depot for values, by the name of the value. */
const ASKS: Readonly<Record<string, Ask>> = {
  view: views,
  views,
  a: views,
  b: views,
  ident: idents,
  package: packages,
  'ident-or-view': both,
  'ident-and-view': both,
  origin: origins,
  'origin-or-key': origins,
  account: accounts,
  owner: accounts,
  webhook: webhooks,
  plan: proposals,
}

async function upTo<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) {
    found.push(item)
    if (found.length === MAX_CANDIDATES) break
  }
  return found
}
