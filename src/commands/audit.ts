import { Flags } from '@oclif/core';
import { auditFacts } from '../cli/audit-facts.js';
import { chooseFixes, endFindings, type FixOutcome } from '../cli/audit-fixes.js';
import { findingDocument, findingsText } from '../cli/audit-output.js';
import { BaseCommand } from '../cli/base-command.js';
import { changeFlags, durationFlag } from '../cli/flags.js';
import { EXIT } from '../errors.js';
import { FINDING_KINDS, type Finding, type FindingKind, findWaste, totalPerHourUsd } from '../workflows/audit.js';

export default class Audit extends BaseCommand<typeof Audit> {
  static override tellsCutOffRuns = false;
  static override description =
    'List everything that costs money without a good reason: runs that were cut off, machines that failed, are stuck, outbid, stopped for long, without a label or past their contract, and volumes that nothing uses.';
  static override flags = {
    fix: Flags.boolean({ description: 'End what is found, asking for each.' }),
    kind: Flags.string({ description: 'Only findings of this kind.', options: [...FINDING_KINDS], multiple: true }),
    'stopped-for': durationFlag({
      description: 'Leave out machines that are stopped for less.',
      helpValue: 'TIME',
      default: 86_400_000,
      defaultHelp: async () => '1d',
    }),
    check: Flags.boolean({ description: `Exit with ${EXIT.changeAvailable} when something is found.` }),
    yes: Flags.boolean({
      char: 'y',
      description: 'With --fix: ask nothing. Ends only what nobody can have worked on, and the kinds that are named.',
      env: 'FORGECTL_YES',
    }),
    'dry-run': changeFlags['dry-run'],
  };
  static override examples = [
    { description: 'What is there', command: '<%= config.bin %> audit' },
    { description: 'End what is left of launches that were cut off', command: '<%= config.bin %> audit --fix --yes' },
    { description: 'Also failed machines', command: '<%= config.bin %> audit --fix --yes --kind failed' },
    { description: 'In a nightly script', command: '<%= config.bin %> audit --check --json' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags } = this;
    const kinds = (flags.kind ?? []) as FindingKind[];
    const findings = findWaste(await auditFacts(context, flags['stopped-for'])).filter(
      ({ kind }) => kinds.length === 0 || kinds.includes(kind),
    );
    if (findings.length === 0) this.answer('Nothing is billed without a reason.');
    else this.answer(await findingsText(findings, context));
    const outcomes = flags.fix && !flags['dry-run'] ? await this.fix(findings, kinds) : new Map<Finding, FixOutcome>();
    if (flags.check && findings.some((finding) => outcomes.get(finding)?.ended !== true))
      process.exitCode ??= EXIT.changeAvailable;
    return {
      dry_run: flags['dry-run'],
      findings: findings.map((finding) => findingDocument(finding, outcomes.get(finding) ?? null)),
      total_per_hour_usd: totalPerHourUsd(findings),
    };
  }

  private async fix(findings: readonly Finding[], kinds: readonly FindingKind[]): Promise<Map<Finding, FixOutcome>> {
    const chosen = await chooseFixes(this.context, findings, { yes: this.flags.yes, kinds });
    const outcomes = await endFindings(this.context, chosen);
    for (const [{ name }, { ended }] of outcomes) if (ended) this.answer(`Ended ${name}.`);
    const left = findings.length - chosen.length;
    if (this.flags.yes && left > 0)
      this.context.reporter.info(`${left} more may hold somebody's work: name the kind (--kind), or leave out --yes.`);
    if ([...outcomes.values()].some(({ ended }) => !ended)) process.exitCode = EXIT.cleanUpFailed;
    return outcomes;
  }
}
