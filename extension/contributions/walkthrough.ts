/** The first steps, as VS Code's Welcome page shows them. */

interface WalkthroughStep {
  id: string;
  title: string;
  /** Markdown; a link alone on its line becomes a button. */
  description: string;
  /** In media/, made by the editor tests (CONTRIBUTING.md). */
  image: string;
  altText: string;
  /** Commands that check the step off. */
  completedBy: readonly string[];
}

export const walkthrough = {
  id: 'firstSteps',
  title: 'Get started with VM Checkpoints',
  description: 'An undo button for every dev/test VM, in four steps.',
  steps: [
    {
      id: 'machine',
      title: 'Bring a machine',
      description:
        'Create one from an image, add one from a disk that you have, or take checkpoints of the disk images that another program uses, where they are.\n[Create Machine](command:vmCheckpoints.createMachine)\n[Add Machine from Existing Disk](command:vmCheckpoints.addMachine)\n[Add Disk Images](command:vmCheckpoints.addDiskImages)',
      image: 'walkthrough-machine.png',
      altText: 'The view VM Checkpoints without machines, with the button Create Machine.',
      completedBy: ['vmCheckpoints.createMachine', 'vmCheckpoints.addMachine', 'vmCheckpoints.addDiskImages'],
    },
    {
      id: 'take',
      title: 'Take a checkpoint',
      description:
        'Before something risky. A running machine runs on while its memory is saved; no disk is copied.\n[Take Checkpoint](command:vmCheckpoints.take)',
      image: 'walkthrough-take.png',
      altText: 'The tree: a machine, its checkpoint, and Now below it.',
      completedBy: ['vmCheckpoints.take'],
    },
    {
      id: 'revert',
      title: 'Revert, and undo the revert',
      description:
        'What the machine is at that moment is kept for 24 hours, so a revert loses nothing: its notification has an Undo.\n[Revert](command:vmCheckpoints.revert)\n[Undo Last Apply or Revert](command:vmCheckpoints.undo)',
      image: 'revert.png',
      altText: 'A machine that was just reverted: the notification offers Undo, and its console has joined again.',
      completedBy: ['vmCheckpoints.revert', 'vmCheckpoints.apply'],
    },
    {
      id: 'guard',
      title: 'Have it done before tasks',
      description:
        'Run a task with a checkpoint before it, and revert when it fails. To have that every time, put the cursor into a task in tasks.json: the light bulb offers **Add checkpoint before this task**.\n[Run Task with Checkpoint](command:vmCheckpoints.runTaskWithCheckpoint)\n[Configure Tasks](command:workbench.action.tasks.configureTaskRunner)',
      image: 'walkthrough-guard.png',
      altText: 'A task has failed; the notification offers to revert the machine, or to keep it as it is.',
      completedBy: ['vmCheckpoints.runTaskWithCheckpoint'],
    },
  ] satisfies WalkthroughStep[],
} as const;
