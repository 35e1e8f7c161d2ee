import type { Readable } from './readable-scripts.ts'
import { withReadable } from './readable-scripts.ts'
import { describeEnd } from './outcome.ts'
import type { Outcome, PhaseContext } from './outcome.ts'
import { runCommand } from './run-command.ts'
import { findScripts, isShell } from './scripts.ts'

/** Findings about constants. The words that replace tags look like constants. */
const TAG_EXCLUDES = ['SC2050', 'SC2157', 'SC2158', 'SC2170', 'SC2193', 'SC2194']
const SETTINGS = ['.shellcheckrc']
/** The exit code of shellcheck if it has found something. */
const FOUND = 1

/** Runs shellcheck on every plan.sh and on every hook that a shell runs. */
export async function lint(context: PhaseContext): Promise<Outcome> {
  const { project, out } = context
  const scripts = await findScripts(project)
  if (scripts.length === 0) return { status: 'not_configured', message: 'there is no plan' }
  for (const { path, interpreter } of scripts.filter((script) => !isShell(script)))
    out.note(`skipped ${path}: shellcheck cannot check what ${interpreter} runs`)
  const shell = scripts.filter(isShell)
  if (shell.length === 0)
    return { status: 'skipped', message: 'shellcheck can check none of the plans and hooks' }
  return withReadable(project.folder, shell, SETTINGS, async (readable) => check(context, readable))
}

async function check({ io, project, signal }: PhaseContext, readable: readonly Readable[]): Promise<Outcome> {
  const { exclude, severity } = project.config.lint
  const groups = Map.groupBy(readable, ({ script, folder }) => `${script.language} ${folder}`)
  const rejected: string[] = []
  for (const [{ script, folder, hasTags }, ...others] of groups.values() as Iterable<
    [Readable, ...Readable[]]
  >) {
    const paths = [script, ...others.map((other) => other.script)].map(({ path }) => path)
    const excludes = [...exclude, ...(hasTags ? TAG_EXCLUDES : [])]
    const words = [
      'shellcheck',
      `--shell=${script.language}`,
      `--severity=${severity}`,
      ...(excludes.length > 0 ? [`--exclude=${excludes.join(',')}`] : []),
      '--',
      ...paths,
    ] as const
    const end = await runCommand(io, { words, folder, signal })
    if (end.how === 'exited' && end.code === FOUND) rejected.push(...paths)
    else {
      const failure = describeEnd(end, 'shellcheck', project.folder)
      if (failure !== undefined) return { status: 'failed', message: failure }
    }
  }
  if (rejected.length > 0)
    return {
      status: 'failed',
      message: `shellcheck rejects ${rejected.length === 1 ? rejected[0] : `a part of ${rejected.join(', ')}`}, in ${project.folder}`,
    }
  return {
    status: 'passed',
    message: `shellcheck accepts ${readable.map(({ script }) => script.path).join(', ')}`,
  }
}
