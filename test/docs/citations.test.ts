import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { test } from 'tap'
import { CLONE } from '../support/documents/document.ts'

// Sources, tests and documents cite sections of documents, for example `(habitat-today.md 3.7)`, and
// decisions, for example `(decision 0002)`. Every one of them exists.

/** The folders whose documents and sources are read, besides the root. */
const FOLDERS = ['src', 'test', 'docs', 'bench', 'migrations']
const PROTOCOL = 'docs/protocol'
const DECISIONS = 'docs/decisions'
const ONE_CITATION =
  /(habitat-2016|habitat-today|real-supervisor)\.md(?: (\d+(?:\.\d+)?(?:(?:, | and |, and )\d+(?:\.\d+)?)*))?/g

const files = [
  ...readdirSync(CLONE).filter((name) => name.endsWith('.md')),
  ...FOLDERS.flatMap((folder) =>
    readdirSync(join(CLONE, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  ),
].filter((name) => /\.(ts|md|sql|sh|yaml)$/.test(name))
const texts = new Map(files.map((name) => [name, readFileSync(join(CLONE, name), 'utf8')]))

/**
 * Returns the sections that can be cited: numbers of headings, and items of numbered lists, as `N.M` below
 * heading N.
 */
function sectionsOf(markdown: string): Set<string> {
  const found = new Set<string>()
  let number: string | undefined
  for (const line of markdown.split('\n')) {
    const heading = /^#+ (?:(\d+(?:\.\d+)*)\b)?/.exec(line)
    if (heading !== null) {
      number = heading[1]
      if (number !== undefined) found.add(number)
    }
    const item = /^(\d+)\. /.exec(line)?.[1]
    if (item !== undefined) found.add(number === undefined ? item : `${number}.${item}`)
  }
  return found
}

/** Returns the documents and sections that a text cites. The section is empty for a whole document. */
function citationsIn(text: string): { document: string; section: string }[] {
  return [...text.matchAll(ONE_CITATION)].flatMap(([, name = '', sections = '']) =>
    sections.split(/, and |, | and /).map((section) => ({ document: `${name}.md`, section })),
  )
}

test('cited sections of documents exist', async (t) => {
  const sections = new Map(
    readdirSync(join(CLONE, PROTOCOL)).map((name) => [
      name,
      sectionsOf(texts.get(join(PROTOCOL, name)) ?? ''),
    ]),
  )
  let found = 0
  for (const [file, text] of texts) {
    for (const { document, section } of citationsIn(text)) {
      found++
      const known = sections.get(document)
      if (known === undefined || (section !== '' && !known.has(section)))
        t.fail(`${file} cites ${document} ${section}`)
    }
  }
  t.ok(found > 100, 'citations are found')
  t.notOk(sections.get('habitat-today.md')?.has('3.99'))
})

test('the tests that docs/security.md names exist', async (t) => {
  const named = [...(texts.get('docs/security.md') ?? '').matchAll(/`(test\/[^`]+)`/g)].map(
    ([, name = '']) => name,
  )
  t.ok(named.length > 20)
  t.strictSame(
    named.filter((name) => !existsSync(join(CLONE, name))),
    [],
  )
})

test('cited decisions exist, and the index lists each once', async (t) => {
  const records = readdirSync(join(CLONE, DECISIONS)).filter((name) => name !== 'README.md')
  const numbers = records.map((name) => name.slice(0, 4))
  t.strictSame(
    numbers.toSorted(),
    numbers.map((_, index) => String(index + 1).padStart(4, '0')),
    'numbers rise by one from 1',
  )
  for (const [file, text] of texts)
    for (const [, number = ''] of text.matchAll(/\bdecision (\d{4})\b/g))
      if (!numbers.includes(number)) t.fail(`${file} cites decision ${number}`)
  const index = texts.get(join(DECISIONS, 'README.md')) ?? ''
  for (const name of records) {
    t.equal(index.split(`(${name})`).length - 1, 1, `${name} is in the index`)
    const record = texts.get(join(DECISIONS, name)) ?? ''
    t.match(record, new RegExp(`^# ${name.slice(0, 4)}\\. `))
    for (const heading of ['Context', 'Decision', 'Consequences']) t.match(record, `\n## ${heading}\n`)
  }
})

/** Returns the headings of a document. */
function headingsOf(markdown: string): string[] {
  return [...markdown.replaceAll(/^```.*?^```/gms, '').matchAll(/^#+ (.+)$/gm)].map(
    ([, heading = '']) => heading,
  )
}

/** Returns the anchor of a heading, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

test('links between documents lead to files and headings', async (t) => {
  let found = 0
  for (const [file, text] of texts) {
    if (!file.endsWith('.md')) continue
    for (const [, target = '', anchor] of text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)/g)) {
      const path = target === '' ? file : join(dirname(file), target)
      if (!existsSync(join(CLONE, path))) t.fail(`${file} links to ${target}`)
      if (anchor === undefined) continue
      found++
      if (!headingsOf(texts.get(path) ?? '').some((heading) => anchorOf(heading) === anchor))
        t.fail(`${file} links to ${target}#${anchor}`)
    }
  }
  t.ok(found > 10, 'links to headings are found')
})

test('every document can be reached by links from README.md', async (t) => {
  const reached = new Set(['README.md'])
  for (const file of reached)
    for (const [, target = ''] of (texts.get(file) ?? '').matchAll(/\]\((?!https?:)([^)#\s]+\.md)/g))
      reached.add(join(dirname(file), target))
  const documents = files.filter((file) => file.startsWith('docs/') && file.endsWith('.md'))
  t.strictSame(
    documents.filter((file) => !reached.has(file)),
    [],
  )
})

test('documents name headings of README.md as they are', async (t) => {
  const headings = headingsOf(texts.get('README.md') ?? '')
  let found = 0
  for (const [file, text] of texts)
    for (const [, name = ''] of text.matchAll(/\]\((?:\.\.\/)?README\.md\)[^.*]*?\*([^*]+)\*/g)) {
      found++
      if (!headings.includes(name)) t.fail(`${file} names ${name} of README.md`)
    }
  t.ok(found > 0, 'names of headings are found')
})

test('the files and folders that ARCHITECTURE.md and CONTRIBUTING.md name exist', async (t) => {
  for (const document of ['ARCHITECTURE.md', 'CONTRIBUTING.md']) {
    const named = [
      ...(texts.get(document) ?? '').matchAll(/`((?:[\w-]+\/)+(?:[\w.-]+\.(?:ts|md|sh|yaml))?)`/g),
    ]
    t.ok(named.length > 10, `${document} names files`)
    for (const [, path = ''] of named)
      if (!existsSync(join(CLONE, path)) && !existsSync(join(CLONE, 'src', path)))
        t.fail(`${document} names ${path}`)
  }
})

test('no source cites a document outside the repository', async (t) => {
  const known = new Set(files.map((name) => basename(name)))
  for (const [file, text] of texts) {
    if (!/\.(ts|sql)$/.test(file)) continue
    for (const [, name = ''] of text.matchAll(/(?:^|[\s(`/])([A-Za-z][\w-]*\.md)\b/gm))
      if (!known.has(name) && name !== 'example.md') t.fail(`${file} cites ${name}`)
  }
  t.notOk(
    [...texts].some(([file, text]) => file.startsWith('src/') && /\bDESIGN\b/.test(text)),
    'DESIGN is not cited',
  )
})
