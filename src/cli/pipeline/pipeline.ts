import { examples } from '../command.ts'
import type { Define, Example } from '../command.ts'
import { outputOptions } from '../output.ts'
import { configSchema } from './config.ts'
import type { ChangePhase } from './phase.ts'
import { runCheck } from './run-phase.ts'

type CheckPhase = Exclude<ChangePhase, 'publish'>

const CHECKS: Readonly<Record<CheckPhase, { does: string; help: readonly [Example, Example] }>> = {
  lint: {
    does: 'run shellcheck on every plan.sh and hook',
    help: [
      ['pipeline lint', 'check all plans below this folder, and their hooks'],
      ['pipeline lint --json', 'print how it ended as one JSON document'],
    ],
  },
  syntax: {
    does: 'parse every plan and hook, without running any',
    help: [
      ['pipeline syntax', 'parse shell scripts by bash, and PowerShell by pwsh if it is there'],
      ['pipeline syntax --config app/.hart-depot.yml', 'those of another project'],
    ],
  },
  unit: {
    does: 'run the command of the project for unit tests',
    help: [
      ['pipeline unit', 'run the command after unit: in .hart-depot.yml'],
      ['pipeline unit --config app/.hart-depot.yml', 'that of another project'],
    ],
  },
  security: {
    does: 'run the command of the project that looks for vulnerabilities',
    help: [
      ['pipeline security', 'run the command after security: in .hart-depot.yml'],
      ['pipeline security --config app/.hart-depot.yml', 'that of another project'],
    ],
  },
  quality: {
    does: 'run the command of the project that measures quality',
    help: [
      ['pipeline quality', 'run the command after quality: in .hart-depot.yml'],
      ['pipeline quality --config app/.hart-depot.yml', 'that of another project'],
    ],
  },
}

export const pipeline: Define = (command, io) => {
  for (const [phase, { does, help }] of Object.entries(CHECKS) as [CheckPhase, (typeof CHECKS)[CheckPhase]][])
    outputOptions(command.command(phase))
      .description(does)
      .option('--config <file>', 'the file of the project; the default is .hart-depot.yml in this folder')
      .addHelpText('after', examples(help))
      .action(async (options) => runCheck(io, phase, options))
  command
    .command('schema')
    .description('print the JSON schema of .hart-depot.yml')
    .addHelpText(
      'after',
      examples([
        ['pipeline schema', 'print it'],
        ['pipeline schema > .hart-depot.schema.json', 'store it where an editor finds it'],
      ]),
    )
    .action(() => void io.stdout.write(`${JSON.stringify(configSchema(), undefined, 2)}\n`))
  return command
    .helpCommand(false)
    .usage('PHASE …')
    .addHelpText(
      'after',
      examples([
        ['pipeline lint', 'run one phase of the project in this folder'],
        ['pipeline unit', 'run another one'],
      ]),
    )
}
