/**
 * Runs in the root filesystem, when its packages are configured: makes the directories that an init system would make
 * before it starts a service, such as /run/postgresql. They are told by tmpfiles.d(5), by the units of systemd.exec(5) and
 * systemd.socket(5), and by the mkdir, install, chown and chmod lines of units. Only what lies below /run and /var is made; what needs systemd
 * itself (specifiers such as %i) is left out. What is there stays as it is.
 */
export const runDirectoriesScript = `set -eu

within() {
	case $1 in
	*%* | *..*) return 1 ;;
	/run/?* | /var/?*) return 0 ;;
	esac
	return 1
}

# OWNER GROUP MODE PATH
make() {
	within "$4" && [ ! -e "$4" ] && [ ! -L "$4" ] || return 0
	mkdir -p "$4"
	chown "$1:$2" "$4" 2>/dev/null || true
	chmod "$3" "$4"
}

or() { case $1 in '' | -) echo "$2" ;; *) echo "$1" ;; esac; }

# tmpfiles.d: TYPE PATH MODE USER GROUP AGE ARGUMENT
for file in /usr/lib/tmpfiles.d/*.conf /etc/tmpfiles.d/*.conf; do
	[ -f "$file" ] || continue
	while read -r type path mode user group age argument || [ -n "\${type:-}" ]; do
		mode=\${mode#"\${mode%%[!~:]*}"}
		case $type in
		[dDvqQ]*) make "$(or "\${user#:}" root)" "$(or "\${group#:}" root)" "$(or "$mode" 755)" "$path" ;;
		L*) if within "$path" && [ ! -e "$path" ] && [ ! -L "$path" ] && [ -n "$argument" ]; then
			mkdir -p "\${path%/*}"
			ln -s "$argument" "$path"
		fi ;;
		esac
		type=
	done <"$file"
done

# Units: TYPE below BASE, each name relative to it.
directories() {
	mode=$(sed -n "s/^$1DirectoryMode=//p" "$unit" | tail -n 1)
	for name in $(sed -n "s/^$1Directory=//p" "$unit"); do
		make "$user" "$group" "$(or "$mode" 755)" "$2/\${name%%:*}"
	done
}
for unit in /lib/systemd/system/*.service /etc/systemd/system/*.service; do
	[ -f "$unit" ] || continue
	user=$(or "$(sed -n 's/^User=//p' "$unit" | tail -n 1)" root)
	group=$(or "$(sed -n 's/^Group=//p' "$unit" | tail -n 1)" "$(id -gn "$user" 2>/dev/null || echo root)")
	directories Runtime /run
	directories State /var/lib
	directories Cache /var/cache
	directories Logs /var/log
	for path in $(sed -n 's#^PIDFile=\\(/.*\\)/[^/]*$#\\1#p' "$unit"); do make "$user" "$group" 755 "$path"; done
	sed -n 's#^ExecStartPre=[-+!:@]*\\(/usr\\)\\{0,1\\}/bin/\\(\\(mkdir\\|install\\|chown\\|chmod\\) [-A-Za-z0-9/_.: ]*\\)$#\\2#p' "$unit" |
		while read -r program words; do
			case $program:$words in
			install:*-d*) ;;
			install:*) continue ;;
			esac
			fits=no
			for word in $words; do
				case $word in
				/*) if within "$word"; then fits=yes; else continue 2; fi ;;
				esac
			done
			# shellcheck disable=SC2086
			if [ $fits = yes ]; then "$program" $words 2>/dev/null || true; fi
		done
done

# systemd.socket(5): the directories of sockets in the filesystem.
for unit in /lib/systemd/system/*.socket /etc/systemd/system/*.socket; do
	[ -f "$unit" ] || continue
	for path in $(sed -n 's#^Listen[A-Za-z]*=\\(/.*\\)/[^/]*$#\\1#p' "$unit"); do make root root 755 "$path"; done
done

# Scripts of sysvinit are programs; the plain ones among their mkdirs are taken.
for script in /etc/init.d/*; do
	[ -f "$script" ] || continue
	sed -n 's#^[[:space:]]*mkdir \\(-p \\)\\{0,1\\}\\(/\\(var/\\)\\{0,1\\}run/[-A-Za-z0-9/_.]*\\)\\([[:space:]].*\\)\\{0,1\\}$#\\2#p' "$script" |
		while read -r path; do make root root 755 "$path"; done
done
`
