#!/bin/sh
# Run by the host's shell and by the machine's: what both say, and the files that both leave, are compared.
echo "$# arguments: '$1' '$2'"
for word in $(cat words); do
    case $word in
        t*) echo "$word begins with t" ;;
        *e) echo "$word ends with e" ;;
        *) echo "$word" >> others ;;
    esac
done
n=0
while [ $n -lt 5 ]; do
    n=$((n + 1))
    [ $n = 2 ] && continue
    echo "line $n" >> lines
done
if grep -q 'line 3' lines && [ -f others ]; then echo both; else echo neither; fi
sort -r lines | head -n 2
cat words | sort | uniq | grep -v '^$' > sorted && cmp sorted sorted && echo same
sha256sum words sorted
mkdir -p tree/a/b && echo deep > tree/a/b/file && cp -r tree copy && mv copy/a/b/file moved && rm -r tree copy
ln moved linked && ln -s moved symbolic && cat linked symbolic && rm symbolic
echo *.sh [lm]* no*such '*' "$n" '$n' \$n
x="a  b"; echo $x "$x" ${y:-unset} ${x#a} ${#x}
(exit 7) || echo "status $?"
{ echo group; echo of two; } | tail -n 1
seq 3 | while read i; do echo "read $i"; done
set -- *.sh; echo "$1 $#"
printf '%s-%03d\n' a 7 b 8
env -i A=1 env
dd if=words of=copied bs=4 skip=1 count=2 2>/dev/null; od -c copied | head -n 1
echo tee | tee teed teed2; cat teed teed2
ls words nothere 2>/dev/null; echo "ls: $([ $? -ne 0 ] && echo failed)"
true && false || echo or
! false && echo not
until [ -f done ]; do : > done; done
./nothere.sh 2>/dev/null; echo $?
exit 42
