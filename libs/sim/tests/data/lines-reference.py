# SPDX-License-Identifier: BSD-2-Clause
"""Makes lines-reference.csv from lines.u32 and lines.dirty: plain models of policies after their papers."""
import collections
import struct

d=open('lines.u32','rb').read(); T=struct.unpack('<%dI'%(len(d)//4),d)
dirtyb=open('lines.dirty','rb').read()
D=lambda i: dirtyb[i>>3]>>(i&7)&1
U=max(T)+1
class Fifo:
    def __init__(s,c): s.c=c; s.q=collections.deque(); s.s=set()
    def has(s,p): return p in s.s
    def hit(s,p,i): pass
    def miss(s,p,i):
        v=None
        if len(s.q)==s.c: v=s.q.popleft(); s.s.remove(v)
        s.q.append(p); s.s.add(p); return v
class Lru:
    def __init__(s,c): s.c=c; s.o=collections.OrderedDict()
    def has(s,p): return p in s.o
    def hit(s,p,i): s.o.move_to_end(p)
    def miss(s,p,i):
        v=None
        if len(s.o)==s.c: v=s.o.popitem(last=False)[0]
        s.o[p]=1; return v
class Clock:
    def __init__(s,c): s.c=c; s.slots=[]; s.b={}; s.h=0
    def has(s,p): return p in s.b
    def hit(s,p,i): s.b[p]=1
    def miss(s,p,i):
        if len(s.slots)<s.c: s.slots.append(p); s.b[p]=0; return None
        while s.b[s.slots[s.h]]: s.b[s.slots[s.h]]=0; s.h=(s.h+1)%s.c
        v=s.slots[s.h]; del s.b[v]; s.slots[s.h]=p; s.b[p]=0; s.h=(s.h+1)%s.c; return v
class Sieve:
    def __init__(s,c): s.c=c; s.l=[]; s.b={}; s.h=None   # l: oldest first; hand is a page
    def has(s,p): return p in s.b
    def hit(s,p,i): s.b[p]=1
    def miss(s,p,i):
        v=None
        if len(s.l)==s.c:
            k=s.l.index(s.h) if s.h is not None else 0
            while s.b[s.l[k]]:
                s.b[s.l[k]]=0; k=(k+1)%len(s.l)
            v=s.l.pop(k); del s.b[v]; s.h=s.l[k] if k<len(s.l) else None
        s.l.append(p); s.b[p]=0; return v
class TwoQ:
    def __init__(s,c): s.c=c; s.kin=max(1,c//4); s.kout=max(1,c//2); s.a=collections.OrderedDict(); s.m=collections.OrderedDict(); s.g=collections.OrderedDict()
    def has(s,p): return p in s.a or p in s.m
    def hit(s,p,i):
        if p in s.m: s.m.move_to_end(p)
    def miss(s,p,i):
        v=None; known=p in s.g
        if known: del s.g[p]
        if len(s.a)+len(s.m)==s.c:
            if len(s.a)>s.kin or not s.m:
                v=s.a.popitem(last=False)[0]; s.g[v]=1
                if len(s.g)>s.kout: s.g.popitem(last=False)
            else: v=s.m.popitem(last=False)[0]
        (s.m if known else s.a)[p]=1; return v
class Min:
    nxt=None
    def __init__(s,c):
        s.c=c; s.n={}
        if Min.nxt is None:
            last={}; Min.nxt=[0]*len(T)
            for i in range(len(T)-1,-1,-1): Min.nxt[i]=last.get(T[i],1<<60); last[T[i]]=i
    def has(s,p): return p in s.n
    def hit(s,p,i): s.n[p]=Min.nxt[i]
    def miss(s,p,i):
        v=None
        if len(s.n)==s.c: v=max(s.n,key=lambda q:s.n[q]); del s.n[v]
        s.n[p]=Min.nxt[i]; return v
out=['trace,mode,cache_pct,cache_pages,policy,implementation,refs,misses,miss_ratio,misses_over_min,writebacks']
for mode in ['once','fault-restart']:
    for pct in [10,25,50,75]:
        c=round(U*pct/100); rows=[]
        for name,K in [('FIFO',Fifo),('CLOCK',Clock),('LRU',Lru),('2Q',TwoQ),('SIEVE',Sieve),('MIN',Min)]:
            k=K(c); m=0; w=0; dirty=set()
            for i,p in enumerate(T):
                if k.has(p): k.hit(p,i)
                else:
                    m+=1; v=k.miss(p,i)
                    if v in dirty: w+=1; dirty.discard(v)
                    if mode!='once': k.hit(p,i)
                if D(i): dirty.add(p)
            rows.append((name,m,w))
        mn=rows[-1][1]
        for n,m,w in rows: out.append(f'lines,{mode},{pct},{c},{n},model,{len(T)},{m},{m/len(T):.6f},{m/mn:.4f},{w}')
open('lines-reference.csv','w').write('\n'.join(out)+'\n')
