import type { Readable } from './readable-scripts.ts'
import { withReadable } from './readable-scripts.ts'
import { describeEnd } from './outcome.ts'
import type { Outcome, PhaseContext } from './outcome.ts'
import { runCommand } from './run-command.ts'
import type { CommandEnd } from './run-command.ts'
import { findScripts, isShell } from './scripts.ts'

/** PowerShell that prints the faults of a script as PATH:LINE:COLUMN, and exits with 1 if there are any. */
const PARSE = `
$tokens = $null; $faults = $null
$path = (Resolve-Path -LiteralPath $env:HART_DEPOT_SCRIPT).ProviderPath
[void][System.Management.Automation.Language.Parser]::ParseFile($path, [ref]$tokens, [ref]$faults)
foreach ($fault in $faults) {
  $start = $fault.Extent.StartScriptPosition
  [Console]::Error.WriteLine("$($env:HART_DEPOT_SCRIPT):$($start.LineNumber):$($start.ColumnNumber): $($fault.Message)")
}
exit [int]($faults.Count -gt 0)`

/** Parses every plan and hook without running any: shell scripts with bash, PowerShell with pwsh. */
export async function syntax(context: PhaseContext): Promise<Outcome> {
  const { project, out } = context
  const scripts = await findScripts(project)
  if (scripts.length === 0) return { status: 'not_configured', message: 'there is no plan' }
  for (const { path, interpreter } of scripts.filter(({ language }) => language === 'other'))
    out.note(`skipped ${path}: nothing here parses what ${interpreter} runs`)
  const parsed = scripts.filter(({ language }) => language !== 'other')
  return withReadable(project.folder, parsed, [], async (readable) => parse(context, readable))
}

async function parse(context: PhaseContext, readable: readonly Readable[]): Promise<Outcome> {
  const { out, project } = context
  const accepted: string[] = []
  const rejected: string[] = []
  const unparsed: string[] = []
  for (const each of readable) {
    const { path } = each.script
    const end = await parseOne(context, each)
    if (!isShell(each.script) && end.how === 'not found') {
      out.note(`skipped ${path}: no pwsh`)
      unparsed.push(path)
    } else if (end.how === 'exited') (end.code === 0 ? accepted : rejected).push(path)
    else {
      const failure = describeEnd(end, isShell(each.script) ? 'bash' : 'pwsh', project.folder)
      if (failure !== undefined) return { status: 'failed', message: failure }
    }
  }
  if (rejected.length > 0)
    return {
      status: 'failed',
      message: `${rejected.join(', ')} ${rejected.length === 1 ? 'is no valid script' : 'are no valid scripts'}, in ${project.folder}`,
    }
  const skipped = unparsed.length === 0 ? '' : `no pwsh for ${unparsed.join(', ')}`
  if (accepted.length === 0)
    return {
      status: 'skipped',
      message: skipped === '' ? 'nothing here parses the plans and hooks' : skipped,
    }
  return {
    status: 'passed',
    message: `the syntax of ${accepted.join(', ')} is right${skipped === '' ? '' : `; skipped: ${skipped}`}`,
  }
}

async function parseOne({ io, signal }: PhaseContext, { script, folder }: Readable): Promise<CommandEnd> {
  if (isShell(script)) return runCommand(io, { words: ['bash', '-n', '--', script.path], folder, signal })
  const words = ['pwsh', '-NoLogo', '-NoProfile', '-NonInteractive', '-Command', PARSE] as const
  return runCommand(io, { words, folder, signal, env: { HART_DEPOT_SCRIPT: script.path } })
}
