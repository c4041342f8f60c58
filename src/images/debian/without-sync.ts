/**
 * A Perl program that runs another one, for which fsync and its kin do nothing: dpkg syncs some hundred times for an image
 * that is synced as a whole when it is made. By a seccomp filter, so that it holds for whatever is started, of any libc.
 * mmdebstrap is in Perl itself, so Perl is there. Where the processor is not known here, nothing is filtered.
 * seccomp(2); linux/filter.h
 */
const program = `
use POSIX ();
# AUDIT_ARCH, seccomp, and: fsync, fdatasync, sync, syncfs, sync_file_range, msync
my %known = (
  x86_64 => [0xC000003E, 317, 74, 75, 162, 306, 277, 26],
  aarch64 => [0xC00000B7, 277, 82, 83, 81, 267, 84, 227],
);
if (my $calls = $known{(POSIX::uname())[4]}) {
  my ($audit, $seccomp, @quiet) = @$calls;
  # Another architecture's calls have other numbers: allow. Load the number; each that matches jumps to the end.
  my @code = ([0x20, 0, 0, 4], [0x15, 0, @quiet + 1, $audit], [0x20, 0, 0, 0]);
  push @code, [0x15, @quiet - $_, 0, $quiet[$_]] for 0 .. $#quiet;
  push @code, [0x06, 0, 0, 0x7fff0000], [0x06, 0, 0, 0x00050000];
  my $filter = join '', map { pack 'SCCL', @$_ } @code;
  my $program = pack 'Sx6P', scalar @code, $filter;
  syscall($seccomp, 1, 0, $program);
}
exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\\n";
`

/** Returns the command that runs `command` without syncing. */
export function withoutSync(...command: string[]): string[] {
  return ['perl', '-e', program, '--', ...command]
}
