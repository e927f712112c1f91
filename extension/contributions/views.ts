/** The view container, its view, and the texts shown while the view is empty. */

export const viewContainerId = 'vmCheckpoints';
export const machinesViewId = 'vmCheckpoints.machines';
/** Of the editor tab with the details of a machine. */
export const detailsViewType = 'vmCheckpoints.details';

/** What the view shows, as the context key {@link viewStateKey}; the welcome texts depend on it. */
export type ViewState = 'loading' | 'machines' | 'noMachines' | 'hostNotAvailable' | 'engineFailed';
export const viewStateKey = 'vmCheckpoints.viewState';

/** Context key: true while a filter hides machines, or would. */
export const filteredKey = 'vmCheckpoints.isFiltered';

/** Context key: true while checkpoints have checkboxes. */
export const selectingKey = 'vmCheckpoints.isSelecting';

interface WelcomeDeclaration {
  /** Key of the text in package.nls.json. */
  key: string;
  state: ViewState;
  /** Further condition, joined with `&&`. */
  when?: string;
  /** Each line is a paragraph; links are Markdown's, and one alone on its line becomes a button. No other Markdown. */
  text: string;
}

const installed = '[Check Again](command:vmCheckpoints.refresh)';
const moreAboutQemu =
  'Is it installed already? [Name the program](command:workbench.action.openSettings?%5B%22vmCheckpoints.qemu.path%22%5D), or [show what is wrong](command:vmCheckpoints.showProblem).';

export const welcomes: readonly WelcomeDeclaration[] = [
  {
    key: 'noMachines',
    state: 'noMachines',
    when: 'isWorkspaceTrusted',
    text: 'No machines yet. A machine that is created here can be put back to any checkpoint in one click.\n[Create Machine](command:vmCheckpoints.createMachine)\nIs there a disk already? [Add a machine from it](command:vmCheckpoints.addMachine); the disk itself is never written.\nDoes another program run the machine? [Add its disk images](command:vmCheckpoints.addDiskImages), and take checkpoints of them where they are. Or [import a machine](command:vmCheckpoints.importMachine) that was exported.',
  },
  {
    key: 'noMachinesUntrusted',
    state: 'noMachines',
    when: '!isWorkspaceTrusted',
    text: 'No machines yet. Machines are created and changed only in a trusted workspace.\n[Manage Workspace Trust](command:workbench.trust.manage)',
  },
  {
    key: 'hostNotAvailable.linux',
    state: 'hostNotAvailable',
    when: 'isLinux',
    text: `QEMU, which runs the machines, was not found or does not run. On Debian and Ubuntu, install it with\nsudo apt install qemu-system-x86 qemu-utils\nand on Fedora with\nsudo dnf install qemu-kvm qemu-img\n${installed}\n${moreAboutQemu}`,
  },
  {
    key: 'hostNotAvailable.mac',
    state: 'hostNotAvailable',
    when: 'isMac',
    text: `QEMU, which runs the machines, was not found or does not run. Install it with\nbrew install qemu\n${installed}\n${moreAboutQemu}`,
  },
  {
    key: 'hostNotAvailable.windows',
    state: 'hostNotAvailable',
    when: 'isWindows',
    text: `QEMU, which runs the machines, was not found or does not run. Install it with\nwinget install SoftwareFreedomConservancy.QEMU\n${installed}\n${moreAboutQemu}`,
  },
  {
    key: 'engineFailed',
    state: 'engineFailed',
    text: 'The engine, which owns the machines and their checkpoints, is not running.\n[Restart Engine](command:vmCheckpoints.restartEngine)\nThe [log](command:vmCheckpoints.showLog) tells why.',
  },
];
