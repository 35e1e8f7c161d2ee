import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

// Runs the commands of a Markdown document as if a reader pasted its blocks, one after the other, into one
// shell.

export const CLONE = fileURLToPath(new URL('../../..', import.meta.url))

/** A fenced block. It is not run if the line before the fence is `<!-- not run: REASON -->`. */
export interface Block {
  /** The line of the opening fence, from 1. */
  readonly line: number
  readonly language: string
  /** The nearest heading above. */
  readonly section: string
  readonly lines: readonly string[]
  readonly notRun: string | undefined
}

export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = []
  let open: { line: number; language: string; lines: string[]; notRun: string | undefined } | undefined
  let section = ''
  let before = ''
  for (const [index, line] of markdown.split('\n').entries()) {
    const fence = /^```(.*)$/.exec(line)
    if (open === undefined) {
      section = /^#+ (.*)$/.exec(line)?.[1] ?? section
      if (fence !== null)
        open = {
          line: index + 1,
          language: fence[1] ?? '',
          lines: [],
          notRun: /^<!-- not run: (.+) -->$/.exec(before)?.[1],
        }
    } else if (line === '```') {
      blocks.push({ ...open, section })
      open = undefined
    } else {
      open.lines.push(line)
    }
    before = line
  }
  if (open !== undefined) throw new Error(`the block in line ${open.line} has no end`)
  return blocks
}

/**
 * Joins all `sh` blocks, or those of some sections, into one bash script. Commands keep their line numbers.
 */
export function scriptOf(
  markdown: string,
  {
    sections,
    replaced = {},
  }: { sections?: readonly string[] | undefined; replaced?: Readonly<Record<string, string>> } = {},
): string {
  const lines = Array.from({ length: markdown.split('\n').length }, () => '')
  lines[0] = `set -Eeuo pipefail; trap 'code=$?; echo "$0, line $LINENO: exit code $code of: $BASH_COMMAND" >&2' ERR`
  for (const { language, line, lines: commands, notRun, section } of blocksOf(markdown)) {
    if (language !== 'sh' || notRun !== undefined || sections?.includes(section) === false) continue
    for (const [index, command] of commands.entries()) lines[line + index] = command
  }
  return Object.entries(replaced).reduce((text, [from, to]) => text.replaceAll(from, to), lines.join('\n'))
}

interface Teardown {
  teardown(fn: () => Promise<void>): unknown
}

/**
 * Creates a folder of links to this clone, in which commands may leave files. It needs no node_modules,
 * because Node follows links to sources.
 */
export async function looseClone(t: Teardown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-docs-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const names = (await readdir(CLONE)).filter((name) => !['.git', 'data', 'node_modules'].includes(name))
  await Promise.all(names.map((name) => symlink(join(CLONE, name), join(folder, name))))
  return folder
}

const STAND_INS = {
  curl: ['curl-stand-in.ts', 'curl'],
  b2sum: ['curl-stand-in.ts', 'b2sum'],
  jq: ['jq-stand-in.ts'],
  hab: ['hab-stand-in.ts'],
} as const

/**
 * Creates a folder for the end of PATH, with `hart-depot` and with replacements of curl, b2sum, jq and hab.
 */
export async function standIns(t: Teardown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-programs-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const [name, [file, ...args]] of Object.entries(STAND_INS)) {
    const program = join(folder, name)
    await writeFile(
      program,
      `#!/bin/sh\nexec '${process.execPath}' '${join(CLONE, 'test/support/documents', file)}' ${args.join(' ')} "$@"\n`,
    )
    await chmod(program, 0o755)
  }
  await symlink(join(CLONE, 'launch'), join(folder, 'hart-depot'))
  return folder
}

const MAX_OUTPUT_BYTES = 64 * 1024 ** 2

export interface Outcome {
  readonly code: number
  /** Stdout and stderr, in order. */
  readonly output: string
}

/**
 * Runs a script with bash. `name` is the script's name in messages. Commands are inserted before its first
 * line.
 */
export async function runScript(
  script: string,
  { name, cwd, env }: { name: string; cwd: string; env: Readonly<Record<string, string>> },
): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-script-'))
  try {
    await mkdir(join(folder, dirname(name)), { recursive: true })
    await writeFile(join(folder, name), `exec 2>&1; cd '${cwd}'; ${script}`)
    return await new Promise((resolve) => {
      const child = execFile(
        'bash',
        [name],
        { cwd: folder, env, maxBuffer: MAX_OUTPUT_BYTES },
        (error, output) => {
          resolve({ code: error === null ? 0 : Number(error.code), output })
        },
      )
      child.stdin?.end()
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export function readDocument(name: string): Promise<string> {
  return readFile(join(CLONE, name), 'utf8')
}
