import type { Command } from '@commander-js/extra-typings'
import { examples } from '../command.ts'
import type { Define, Example } from '../command.ts'
import type { Io } from '../io.ts'
import { Output } from '../output.ts'
import { remoteOptions } from '../remote/connect.ts'
import { configSchema } from './config.ts'
import type { PhaseOptions } from './run-in-change.ts'
import { PHASES, isViewPhase } from './phase.ts'
import type { Phase } from './phase.ts'
import { runNext } from './run-next.ts'
import { runPhase, showResult } from './run-phase.ts'
import { showStatus } from './status.ts'

type Help = readonly [Example, Example, ...Example[]]

const HELP: Readonly<Record<Phase, { does: string; help: Help }>> = {
  lint: {
    does: 'run shellcheck on every plan.sh and hook',
    help: [
      ['pipeline lint', 'check all plans below this folder and their hooks, and report to the change'],
      ['pipeline lint --no-report', 'check them without a depot'],
    ],
  },
  syntax: {
    does: 'parse every plan and hook, without running any',
    help: [
      ['pipeline syntax', 'parse shell scripts by bash, and PowerShell by pwsh if it is there'],
      ['pipeline syntax --no-report', 'parse them without a depot'],
    ],
  },
  unit: {
    does: 'run the unit tests of the project',
    help: [
      ['pipeline unit', 'run the command after unit: in .hart-depot.yml'],
      ['pipeline unit --again', 'run it again although it has passed for this change'],
    ],
  },
  security: {
    does: 'run the command of the project that looks for vulnerabilities',
    help: [
      ['pipeline security', 'run the command after security: in .hart-depot.yml'],
      ['pipeline security --job https://ci.example.com/jobs/4711', 'give the depot a link to the job'],
    ],
  },
  quality: {
    does: 'run the command of the project that measures quality',
    help: [
      ['pipeline quality', 'run the command after quality: in .hart-depot.yml'],
      ['pipeline quality --config app/.hart-depot.yml', 'that of another project'],
    ],
  },
  publish: {
    does: 'build the packages, or take built ones, and upload them as releases of the change',
    help: [
      ['pipeline publish', 'build with hab pkg build if hab is there, else take results/last_build.env'],
      ['pipeline publish --artifact results/*.hart --env-file build.env', 'publish packages that were built'],
      ['pipeline publish --rebuild', 'publish another release for the same change'],
    ],
  },
  provision: {
    does: 'promote what was published into the view of an environment',
    help: [
      ['pipeline provision --view acceptance', 'promote through the gates of the view'],
      [
        'pipeline provision --env union --wait --hosts hosts.txt --timeout 15m',
        'and wait until every Supervisor that follows the view runs it',
      ],
    ],
  },
  deploy: {
    does: 'run the command of the project that deploys to an environment',
    help: [
      ['pipeline deploy --view acceptance', 'run the command after deploy: in .hart-depot.yml'],
      ['pipeline deploy --env acceptance --takeover', 'run it although a dead agent still has the lease'],
    ],
  },
  smoke: {
    does: 'run the command of the project that finds out quickly whether an environment works',
    help: [
      ['pipeline smoke --view acceptance', 'run the command after smoke: in .hart-depot.yml'],
      ['pipeline smoke --view acceptance --json', 'print how it ended as one JSON document'],
    ],
  },
  functional: {
    does: 'run the command of the project that tests an environment thoroughly',
    help: [
      ['pipeline functional --view acceptance', 'run the command after functional: in .hart-depot.yml'],
      ['pipeline functional --view acceptance --again', 'run it again although it has passed'],
    ],
  },
}

export const pipeline: Define = (command, io) => {
  for (const phase of PHASES) {
    const { does, help } = HELP[phase]
    let taken = phaseOptions(command.command(phase)).description(does)
    if (isViewPhase(phase))
      taken = taken
        .option('--view <view>', 'the environment')
        .option('--env <view>', 'another name for --view')
    if (phase === 'publish') taken = publishOptions(taken)
    if (phase === 'provision')
      taken = taken
        .option('--wait [command]', 'wait until this command succeeds; by default that after provision.wait')
        .option('--hosts <file>', 'with --wait: wait until the Supervisors of these hosts run it; see fleet')
        .option('--token-file <file>', 'with --hosts: the token of their gateways')
        .option('--timeout <period>', 'with --wait: how long to wait, for example 15m')
        .option(
          '--override <reason>',
          'override the rules of the view, for those who may; the reason is kept',
        )
    taken.addHelpText('after', examples(help)).action(async (given: unknown) => {
      const options = given as PhaseOptions
      showResult(new Output(io, options), await runPhase(io, phase, options))
    })
  }
  defineRun(command, io)
  defineStatus(command, io)
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
        ['pipeline publish', 'run one phase of the project in this folder'],
        ['pipeline run --until acceptance', 'run what comes next, through an environment'],
        ['pipeline status', 'show where every change stands'],
      ]),
    )
}

/** Adds the options of every phase. */
function phaseOptions(command: Command): Command {
  return changeOptions(command)
    .option('--job <url>', 'the page of the job; the default is what the CI system gives')
    .option('--takeover', 'run the phase although somebody else has its lease, who is dead')
    .option('--again', 'run the phase again although it has passed')
    .option('--no-report', 'run the phase without a depot')
}

/** Adds the options of every command about a project and its change. */
function changeOptions(command: Command): Command {
  return remoteOptions(command)
    .option('--config <file>', 'the file of the project; the default is .hart-depot.yml in this folder')
    .option('--project <origin/name>', 'the project; the default is that of the file or of the plan')
    .option('--change <id>', 'the change; the default is the commit, of the CI system or of git')
}

function publishOptions(command: Command): Command {
  return command
    .option('--artifact <file...>', 'packages that were built, or a last_build.env')
    .option('--no-build', 'do not build: publish what results/last_build.env names')
    .option('--rebuild', 'publish another release although the change has one')
    .option('--key <file>', 'the public key of the signer, sent if the depot lacks it')
    .option('--env-file <file>', 'write pkg_ident, HART_DEPOT_CHANGE and more, for later jobs')
}

function defineRun(command: Command, io: Io): void {
  publishOptions(phaseOptions(command.command('run')))
    .description('run the phase that comes next')
    .option('--until <phase-or-view>', 'go on until this phase, or through this environment')
    .addHelpText(
      'after',
      examples([
        ['pipeline run', 'run the first phase that has not passed'],
        ['pipeline run --until acceptance', 'run all phases through acceptance, until one fails'],
      ]),
    )
    .action(async (given: unknown) => runNext(io, given as Parameters<typeof runNext>[1]))
}

function defineStatus(command: Command, io: Io): void {
  remoteOptions(command.command('status'))
    .option('--config <file>', 'the file of the project; the default is .hart-depot.yml in this folder')
    .option('--project <origin/name>', 'the project; the default is that of the file or of the plan')
    .description('show where every change of the project stands')
    .option('--all', 'changes of all projects')
    .option('--count <n>', 'how many changes', '20')
    .addHelpText(
      'after',
      examples([
        ['pipeline status', 'show the newest changes of the project in this folder'],
        ['pipeline status --all --count 100', 'show the newest changes of all projects'],
      ]),
    )
    .action(async (given: unknown) => showStatus(io, given as Parameters<typeof showStatus>[1]))
}
