import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { dryRunFlag } from '../../cli/flags.js';
import { initProvisioning } from '../../cli/provision-init.js';

const several = (description: string, helpValue: string) =>
  Flags.string({ description, helpValue, multiple: true, multipleNonGreedy: true });

export default class ProvisionInit extends BaseCommand<typeof ProvisionInit> {
  static override description =
    'Write a provisioning script, or a manifest, from answers: downloads are resumed and tried again, what is there is skipped, torch stays. On a terminal it asks for what no flag says. Tokens are used from the environment by their name; their values are never written.';
  static override args = {
    file: Args.string({
      description: 'Where to write it; without it, or with -, to stdout. An existing file is kept.',
    }),
  };
  static override flags = {
    model: several(
      'A file to download, with its folder: checkpoints, vae, lora, text_encoder, controlnet, esrgan, embeddings, or a path; may be repeated.',
      'URL[=DIR[/NAME]]',
    ),
    extension: several('An extension, by the address of its repository; may be repeated.', 'GIT_URL'),
    pip: several("A Python package for Forge's environment; may be repeated.", 'PKG'),
    apt: several('A Debian package; may be repeated.', 'PKG'),
    token: several(
      'Variable that holds a token: HF_TOKEN and CIVITAI_TOKEN are sent to their hosts; may be repeated.',
      'NAME',
    ),
    manifest: Flags.boolean({ description: "A manifest (YAML) for newer images' provisioner instead of a script." }),
    force: Flags.boolean({ char: 'f', description: 'Also over a file that is there.' }),
    'dry-run': dryRunFlag,
  };
  static override examples = [
    { description: 'With questions', command: '<%= config.bin %> provision init setup.sh' },
    {
      description: 'Without',
      command:
        '<%= config.bin %> provision init setup.sh --model https://huggingface.co/a/b/resolve/main/c.safetensors=lora --token HF_TOKEN',
    },
    { description: 'Then', command: '<%= config.bin %> launch --provisioning-file setup.sh --env HF_TOKEN=…' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { flags } = this;
    const { document, text } = await initProvisioning(this.context, this.args.file ?? null, {
      words: {
        models: flags.model ?? [],
        extensions: flags.extension ?? [],
        pip: flags.pip ?? [],
        apt: flags.apt ?? [],
        tokens: flags.token ?? [],
      },
      manifest: Boolean(flags.manifest),
      force: Boolean(flags.force),
      dryRun: flags['dry-run'],
    });
    this.answer(text);
    return document;
  }
}
