/** Translates the declarations in this folder into members of package.json, and their texts into package.nls.json. */
import { commandCategory, commands } from './commands.ts';
import { keybindings, menus } from './menus.ts';
import { settings } from './settings.ts';
import { checkpointTaskProperties, checkpointTaskType, requiredCheckpointTaskProperties } from './tasks.ts';
import { detailsViewType, machinesViewId, viewContainerId, viewStateKey, welcomes } from './views.ts';
import { walkthrough } from './walkthrough.ts';

/** Members of package.json that are written from the declarations, and no others. */
export interface ManifestMembers {
  icon: string;
  categories: string[];
  keywords: string[];
  extensionKind: string[];
  activationEvents: string[];
  capabilities: object;
  contributes: object;
}

/** Content of package.nls.json: key → text. */
export type Texts = Record<string, string>;

export function manifest(): { members: ManifestMembers; texts: Texts } {
  const texts: Texts = {};
  /** Files a text under a key and returns what package.json says in its place. */
  const text = (key: string, value: string): string => {
    texts[key] = value;
    return `%${key}%`;
  };
  const category = text('category', commandCategory);

  const members: ManifestMembers = {
    icon: 'media/icon.png',
    categories: ['Testing', 'Debuggers', 'Other'],
    keywords: [
      'virtual machine',
      'vm',
      'qemu',
      'snapshot',
      'checkpoint',
      'undo',
      'rollback',
      'revert',
      'restore',
      'task',
      'qcow2',
      'vhdx',
    ],
    extensionKind: ['workspace'],
    // Views and commands activate by themselves.
    // A debug session that a hook holds back begins with the second of these.
    activationEvents: [
      `onTaskType:${checkpointTaskType}`,
      'onDebugResolve',
      'onLanguage:jsonc',
      `onWebviewPanel:${detailsViewType}`,
    ],
    capabilities: {
      untrustedWorkspaces: {
        supported: 'limited',
        description: text(
          'untrustedWorkspaces',
          'Machines and checkpoints are listed, but nothing is started or changed until the workspace is trusted.',
        ),
        restrictedConfigurations: Object.entries(settings)
          .filter(([, setting]) => setting.restricted)
          .map(([id]) => id),
      },
      virtualWorkspaces: false,
    },
    contributes: {
      commands: Object.entries(commands).map(([command, declaration]) => ({
        command,
        title: text(`command.${afterPrefix(command)}`, declaration.title),
        category,
        ...('icon' in declaration ? { icon: declaration.icon } : {}),
      })),
      menus,
      keybindings,
      configuration: {
        title: text('configuration', commandCategory),
        properties: Object.fromEntries(
          Object.entries(settings).map(([id, setting]) => [
            id,
            {
              type: setting.type,
              ...('enum' in setting ? { enum: setting.enum } : {}),
              ...('items' in setting ? { items: setting.items } : {}),
              default: setting.default,
              scope: setting.scope,
              markdownDescription: text(`setting.${afterPrefix(id)}`, setting.description),
            },
          ]),
        ),
      },
      jsonValidation: [{ fileMatch: ['**/machines/*/machine.json'], url: './extension/schemas/machine.json' }],
      viewsContainers: {
        activitybar: [
          { id: viewContainerId, title: text('viewContainer', commandCategory), icon: 'media/view-container.svg' },
        ],
      },
      views: {
        [viewContainerId]: [
          {
            id: machinesViewId,
            // A lone view of its container's name gets that name as its title, and no other.
            name: text('viewContainer', commandCategory),
            icon: 'media/view-container.svg',
            contextualTitle: text('viewContainer', commandCategory),
          },
        ],
      },
      viewsWelcome: welcomes.map((welcome) => ({
        view: machinesViewId,
        when: [`${viewStateKey} == ${welcome.state}`, ...(welcome.when === undefined ? [] : [welcome.when])].join(
          ' && ',
        ),
        contents: text(`welcome.${welcome.key}`, welcome.text),
      })),
      walkthroughs: [
        {
          id: walkthrough.id,
          title: text('walkthrough.title', walkthrough.title),
          description: text('walkthrough.description', walkthrough.description),
          steps: walkthrough.steps.map(({ id, title, description, image, altText, completedBy }) => ({
            id,
            title: text(`walkthrough.${id}.title`, title),
            description: text(`walkthrough.${id}.description`, description),
            media: { image: `media/${image}`, altText: text(`walkthrough.${id}.altText`, altText) },
            completionEvents: completedBy.map((command) => `onCommand:${command}`),
          })),
        },
      ],
      taskDefinitions: [
        {
          type: checkpointTaskType,
          required: requiredCheckpointTaskProperties,
          properties: Object.fromEntries(
            Object.entries(checkpointTaskProperties).map(([name, property]) => [
              name,
              {
                type: property.type,
                ...('items' in property ? { items: property.items } : {}),
                ...('minimum' in property ? { minimum: property.minimum } : {}),
                description: text(`task.${name}`, property.description),
              },
            ]),
          ),
        },
      ],
    },
  };
  return { members, texts };
}

/** Puts the members into the text of package.json, and leaves all others as they are. */
export function withMembers(packageJson: string, members: ManifestMembers): string {
  const whole: unknown = JSON.parse(packageJson);
  if (typeof whole !== 'object' || whole === null || Array.isArray(whole)) {
    throw new Error('package.json holds no object.');
  }
  return `${JSON.stringify({ ...whole, ...members }, undefined, 2)}\n`;
}

export function textsJson(texts: Texts): string {
  return `${JSON.stringify(texts, undefined, 2)}\n`;
}

function afterPrefix(id: string): string {
  return id.slice(id.indexOf('.') + 1);
}
